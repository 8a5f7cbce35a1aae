#include "speech/transcriber.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "speech/alignment.h"
#include "speech/compression.h"
#include "speech/loops.h"
#include "speech/word_edges.h"
#include "speech/words.h"

namespace earwitness::speech {
namespace {

// Shorter audio holds no word, and Whisper invents one.
constexpr std::size_t kShortest = kSampleRate / 10;

// -66 dBFS, 16 steps of 16-bit audio: below it nothing was recorded but the converter's noise, in
// which Whisper hears words that were never said.
constexpr float kSilencePeak = 5e-4F;

// Above this temperature text is too wild to prompt the next window (openai-whisper).
constexpr float kHottestHistory = 0.5F;

// A sentence that is said twice deflates to about half, and is no loop.
constexpr double kSaidTwice = 2.0;

class Stopwatch {
 public:
  explicit Stopwatch(double& total) : total_(total), start_(Clock::now()) {}
  ~Stopwatch() { total_ += std::chrono::duration<double>(Clock::now() - start_).count(); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  double& total_;
  Clock::time_point start_;
};

bool is_silent(const float* samples, std::size_t n) {
  return std::all_of(samples, samples + n, [](float s) { return std::abs(s) < kSilencePeak; });
}

std::size_t to_samples(double seconds, std::size_t limit) {
  const double samples = seconds * kSampleRate + 0.5;  // may exceed what a size_t holds
  return samples < static_cast<double>(limit) ? static_cast<std::size_t>(samples) : limit;
}

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

}  // namespace

Transcriber::Transcriber(Network& network, const Vocabulary& vocabulary, const Mel& mel,
                         PcmView pcm, const TranscribeOptions& options, Watch& watch)
    : network_(network),
      vocabulary_(vocabulary),
      mel_(mel),
      pcm_(pcm),
      options_(options),
      watch_(watch),
      threads_(options.resolved_threads()),
      decoder_(network, vocabulary, options) {
  if (const std::string prompt = trimmed(options.prompt); !prompt.empty()) {
    prompt_ = vocabulary.encode(" " + prompt);
  }
  if (!vocabulary.multilingual()) {
    language_ = 0;
  } else if (options.language) {
    language_ = vocabulary.language_index(*options.language).value();
  }
  transcript_.task = options.task;
  transcript_.duration = pcm.duration();
}

Transcript Transcriber::run() {
  {
    const Stopwatch total(transcript_.timings.total);
    const std::vector<Span> spans =
        options_.spans.value_or(std::vector<Span>{{0.0, pcm_.duration()}});
    for (const Span& span : spans) {
      to_do_ += to_samples(span.end, pcm_.size) - to_samples(span.start, pcm_.size);
    }
    for (const Span& span : spans) {
      transcribe_span(to_samples(span.start, pcm_.size), to_samples(span.end, pcm_.size));
    }
    report_progress(to_do_);
    if (language_ >= 0) {
      transcript_.language = kLanguages[static_cast<std::size_t>(language_)].code;
    }
  }
  return std::move(transcript_);
}

void Transcriber::transcribe_span(std::size_t begin, std::size_t end) {
  const auto window = static_cast<std::size_t>(network_.hparams().n_audio_ctx) * 2 * Mel::kHopSize;
  std::size_t at = begin;
  while (at + kShortest <= end) {
    watch_.check();
    report_progress(done_ + (at - begin));
    const std::size_t n = std::min(window, end - at);
    at += is_silent(pcm_.data + at, n) ? n : transcribe_window(at, n);
  }
  done_ += end - begin;
}

std::size_t Transcriber::transcribe_window(std::size_t begin, std::size_t n_samples) {
  WindowMel mel;
  mel.positions = sound_positions(n_samples);
  {
    const Stopwatch stopwatch(transcript_.timings.mel);
    // The window ends where its audio does: a neighbouring span must not be heard in it.
    mel.silence =
        mel_.compute({pcm_.data, begin + n_samples}, begin, 2 * mel.positions, mel_buffer_);
    mel.sound = mel_buffer_;
  }
  {
    const Stopwatch stopwatch(transcript_.timings.encode);
    network_.encode(mel, threads_, watch_);
  }
  DecodedWindow window;
  {
    const Stopwatch decode(transcript_.timings.decode);
    if (language_ < 0) detect_language();
    std::vector<TokenId> previous = prompt_;
    previous.insert(previous.end(), history_.begin(), history_.end());
    window = decoder_.decode(previous, start_tokens(), static_cast<unsigned>(begin), watch_);
  }
  const double length = static_cast<double>(n_samples) / kSampleRate;
  const bool silent =
      options_.no_speech_threshold && window.no_speech_prob > *options_.no_speech_threshold &&
      (!options_.logprob_threshold || window.avg_logprob < *options_.logprob_threshold);
  if (silent) return n_samples;

  WindowSegments cut = cut_segments(window.tokens, vocabulary_, length);
  if (window.repeats) cut_loops(cut, window);
  const std::size_t done = std::clamp(to_samples(cut.next, n_samples), kShortest, n_samples);
  emit(cut, window, begin, done);
  if (options_.condition_on_previous_text) {
    if (window.temperature > kHottestHistory) history_.clear();
    for (const TokenSegment& segment : cut.segments) {
      for (std::size_t i : segment.text) history_.push_back(window.tokens[i]);
    }
  }
  return done;
}

// What no temperature could keep from repeating itself: its loops are left out, and all of it where
// that is not enough. The audio is done with all the same.
void Transcriber::cut_loops(WindowSegments& cut, const DecodedWindow& window) const {
  std::vector<std::string> text;
  std::vector<std::size_t> places;
  for (const TokenSegment& segment : cut.segments) {
    for (std::size_t i : segment.text) {
      text.push_back(vocabulary_.text(window.tokens[i]));
      places.push_back(i);
    }
  }
  std::string rest;
  std::vector<std::size_t> kept;  // indices into the window's tokens, in order
  for (std::size_t i : without_loops(text)) {
    rest += text[i];
    kept.push_back(places[i]);
  }
  if (options_.compression_ratio_threshold &&
      compression_ratio(rest) > kSaidTwice * *options_.compression_ratio_threshold) {
    kept.clear();
  }
  for (TokenSegment& segment : cut.segments) {
    std::erase_if(segment.text,
                  [&](std::size_t i) { return !std::binary_search(kept.begin(), kept.end(), i); });
  }
  std::erase_if(cut.segments, [](const TokenSegment& segment) { return segment.text.empty(); });
}

// With a margin of silence, in which the model sees that the speech has ended.
int Transcriber::sound_positions(std::size_t n_samples) const {
  constexpr std::size_t kMargin = 50;  // of 20 ms
  constexpr std::size_t kPosition = 2 * Mel::kHopSize;
  const auto whole = static_cast<std::size_t>(network_.hparams().n_audio_ctx);
  if (options_.full_windows) return static_cast<int>(whole);
  return static_cast<int>(std::min(whole, (n_samples + kPosition - 1) / kPosition + kMargin));
}

void Transcriber::detect_language() {
  const std::vector<TokenId> tokens = {vocabulary_.start_of_transcript()};
  const std::vector<int> rows = {0};
  const std::span<const float> logits = network_.prompt(tokens, rows, 1, watch_);
  const auto languages = logits.subspan(static_cast<std::size_t>(vocabulary_.language_token(0)),
                                        static_cast<std::size_t>(vocabulary_.language_count()));
  const auto best = std::max_element(languages.begin(), languages.end());
  language_ = static_cast<int>(best - languages.begin());
  transcript_.language_probability = std::exp(*best - log_sum_exp(languages));
}

std::vector<TokenId> Transcriber::start_tokens() const {
  std::vector<TokenId> tokens = {vocabulary_.start_of_transcript()};
  if (vocabulary_.multilingual()) {
    tokens.push_back(vocabulary_.language_token(language_));
    tokens.push_back(options_.task == "translate" ? vocabulary_.translate()
                                                  : vocabulary_.transcribe());
  }
  return tokens;
}

void Transcriber::emit(const WindowSegments& cut, const DecodedWindow& window, std::size_t begin,
                       std::size_t n_done) {
  const double offset = static_cast<double>(begin) / kSampleRate;
  std::vector<Segment> segments;
  for (const TokenSegment& part : cut.segments) {
    Segment segment;
    segment.seek = static_cast<int>(begin / Mel::kHopSize);
    segment.start = offset + part.start;
    segment.end = offset + part.end;
    segment.temperature = window.temperature;
    segment.avg_logprob = window.avg_logprob;
    segment.no_speech_prob = window.no_speech_prob;
    std::vector<TokenId> ids;
    for (std::size_t i : part.text) {
      ids.push_back(window.tokens[i]);
      segment.tokens.push_back({ids.back(), vocabulary_.text(ids.back()), window.logprobs[i]});
    }
    const char* language = kLanguages[static_cast<std::size_t>(language_)].code;
    for (const TokenRun& word : split_words(ids, vocabulary_, language)) {
      segment.text += word.text;
    }
    segments.push_back(std::move(segment));
  }
  if (options_.word_timestamps) add_words(cut, window, begin, n_done, segments);
  for (Segment& segment : segments) {
    // As openai-whisper's transcribe(): what has no time or no text is none.
    if (segment.end <= segment.start || trimmed(segment.text).empty()) continue;
    segment.id = static_cast<int>(transcript_.segments.size());
    if (watch_.control().on_segment) watch_.control().on_segment(segment);
    transcript_.segments.push_back(std::move(segment));
  }
}

void Transcriber::add_words(const WindowSegments& cut, const DecodedWindow& window,
                            std::size_t begin, std::size_t n_done, std::vector<Segment>& segments) {
  if (segments.empty()) return;
  const Stopwatch align(transcript_.timings.align);
  constexpr double kFrame = 0.02;         // seconds per encoder position
  constexpr double kShortestWord = 0.02;  // seconds
  std::vector<TokenId> tokens = start_tokens();
  const int first_row = static_cast<int>(tokens.size());
  tokens.push_back(vocabulary_.no_timestamps());
  for (const TokenSegment& part : cut.segments) {
    for (std::size_t i : part.text) tokens.push_back(window.tokens[i]);
  }
  const std::vector<AttentionHead> heads = alignment_heads(network_.hparams());
  const std::vector<float> attention = network_.attend(tokens, heads, watch_);
  const auto n_rows = heads.size() * tokens.size();
  const int n_ctx = static_cast<int>(attention.size() / n_rows);
  const int n_frames = std::clamp(static_cast<int>(n_done / (2 * Mel::kHopSize)), 1, n_ctx);
  // The row of a token is where the decoder looked to find the token after it.
  const std::vector<int> frames =
      token_frames(attention, static_cast<int>(heads.size()), static_cast<int>(tokens.size()),
                   n_ctx, n_frames, first_row);
  const double offset = static_cast<double>(begin) / kSampleRate;
  const double window_end = offset + static_cast<double>(n_done) / kSampleRate;
  const double lag = attention_lag(network_.hparams());
  const auto time_of = [&](std::size_t token) {
    return std::max(offset, offset + frames[token] * kFrame - lag);
  };
  const Loudness loudness(pcm_, begin, n_done);

  std::size_t at = 0;  // of the segment's first token among the window's text tokens
  double previous_end = offset;
  const char* language = kLanguages[static_cast<std::size_t>(language_)].code;
  for (Segment& segment : segments) {
    std::vector<TokenId> ids;
    for (const Token& token : segment.tokens) ids.push_back(token.id);
    for (const TokenRun& run : split_words(ids, vocabulary_, language)) {
      Word word;
      word.text = run.text;
      word.start = std::max(time_of(at + run.first), previous_end);
      word.end = time_of(at + run.last);
      word.end = std::min(std::max(word.end, word.start + kShortestWord), window_end);
      word.start = std::min(word.start, word.end);
      previous_end = word.end;
      loudness.trim(word);
      for (std::size_t i = run.first; i < run.last; ++i) {
        word.confidence += std::exp(segment.tokens[i].logprob);
      }
      word.confidence /= static_cast<float>(run.last - run.first);
      segment.words.push_back(std::move(word));
    }
    at += segment.tokens.size();
    segment.start = segment.words.front().start;
    segment.end = segment.words.back().end;
  }
}

void Transcriber::report_progress(std::size_t done) {
  if (!watch_.control().on_progress) return;
  watch_.control().on_progress(to_do_ == 0 ? 1.0
                                           : static_cast<double>(std::min(done, to_do_)) /
                                                 static_cast<double>(to_do_));
}

}  // namespace earwitness::speech
