// What a caller can ask of one transcription.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "earwitness/types.h"

namespace earwitness {

// Defaults marked [OpenAI] are those of openai-whisper's transcribe(), [whisper.cpp] those of
// whisper_full_default_params().
struct TranscribeOptions {
  // Code or English name of the language spoken; unset = detect it from the first speech.
  std::optional<std::string> language;

  // "transcribe" (same language) or "translate" (to English).
  std::string task = "transcribe";

  // Text that the decoder takes for what was said before: names, spelling, style.
  std::string prompt;

  // First sampling temperature, 0 to 1; 0 = take the likeliest token. [OpenAI]
  double temperature = 0.0;

  // Step of the fallback ladder up to 1.0, tried while a window fails its thresholds; 0 = each
  // window is decoded once only, without a search by fallback_beam_size too. [OpenAI]
  double temperature_increment = 0.2;

  // Candidates drawn at temperatures above 0, of which the likeliest is kept. [OpenAI]
  int best_of = 5;

  // Hypotheses kept at temperature 0; 1 = greedy. [OpenAI, whisper.cpp: greedy]
  int beam_size = 1;

  // Hypotheses of the search at temperature 0 that a window gets which fails its thresholds, or
  // search_threshold, before any temperature above 0 is tried; no more than beam_size = none.
  int fallback_beam_size = 4;

  // A window the least likely fifth of whose text tokens has a lower mean log-probability is
  // searched by fallback_beam_size, and the likelier of both texts kept. Windows of less than 16
  // text tokens are not.
  std::optional<double> search_threshold = -0.8;

  // A window whose mean token log-probability is lower is decoded again. [OpenAI]
  std::optional<double> logprob_threshold = -1.0;

  // A window whose last 32 tokens have a lower entropy (nats) repeats itself and is decoded again.
  // [whisper.cpp]
  std::optional<double> entropy_threshold = 2.4;

  // A window whose text deflates to less than one in so many parts repeats itself and is decoded
  // again. [OpenAI] Where text repeats itself at every temperature, by this or the entropy, loops
  // in it are cut to their first run, and it is dropped if what is left passes twice the ratio.
  std::optional<double> compression_ratio_threshold = 2.4;

  // A window with a higher no-speech probability that also fails logprob_threshold is silence.
  // [OpenAI]
  std::optional<double> no_speech_threshold = 0.6;

  // Prompt each window with the text before it. Off: a loop or a wrong language in one window then
  // cannot spread to the next.
  bool condition_on_previous_text = false;

  // Never decode notes, brackets and other symbols that are not spoken. [OpenAI]
  bool suppress_non_speech = true;

  // The first timestamp of a window is at most this many seconds in. [OpenAI]
  double max_initial_timestamp = 1.0;

  // Encode the silence after short audio at full length, as the reference does: slower, and hardly
  // ever another text.
  bool full_windows = false;

  // Give each word its time.
  bool word_timestamps = false;

  // The stretches to transcribe, in order and disjoint; unset = all of it, none = nothing.
  std::optional<std::vector<Span>> spans;

  // Threads for this call; 0 = as many as the machine has cores, 4 at most.
  int threads = 0;

  // Throws InvalidOption that names the field, the value and what is allowed.
  void validate() const;

  int resolved_threads() const;
};

}  // namespace earwitness
