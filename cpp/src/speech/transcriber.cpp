#include "speech/transcriber.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <utility>

#include "speech/loops.h"
#include "speech/pointing.h"
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

// So many seconds at the end of a window are not passed over on the model's word alone: after a
// short sentence and a pause Whisper often ends, whatever is said then.
constexpr double kLongRest = 3.0;

// What is heard there counts only if it is surer than elsewhere, as silence makes the model invent.
constexpr float kMostNoSpeech = 0.5F;
constexpr float kLeastLogprob = -0.7F;

// A text ends later than its timestamps say where the heads that follow the words look so far
// behind them for the last tokens. On real speech they look less than a second behind, or six and
// more.
constexpr std::size_t kLastTokens = 5;
constexpr double kDrift = 2.0;  // seconds

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
                         PcmView pcm, const TranscribeOptions& options,
                         std::span<const PointingHead> pointing_heads, Watch& watch)
    : network_(network),
      vocabulary_(vocabulary),
      mel_(mel),
      pcm_(pcm),
      options_(options),
      pointing_heads_(pointing_heads),
      watch_(watch),
      pool_(options.resolved_threads()),
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
    std::vector<Stretch> all;
    for (const Span& span : spans) {
      Stretch& stretch = all.emplace_back();
      stretch.at = to_samples(span.start, pcm_.size);
      stretch.end = to_samples(span.end, pcm_.size);
      to_do_ += stretch.end - stretch.at;
    }
    transcribe(all);
    report_progress(to_do_);
    if (language_ >= 0) {
      transcript_.language = kLanguages[static_cast<std::size_t>(language_)].code;
    }
  }
  return std::move(transcript_);
}

void Transcriber::transcribe(std::span<Stretch> stretches) {
  // Text that conditions the next window is known only when its own is decoded.
  const std::size_t most =
      options_.condition_on_previous_text ? 1 : static_cast<std::size_t>(network_.slots());
  // More and more at once where somebody waits for the first segments: they are to come as soon as
  // if there were no others.
  std::size_t n = watch_.control().on_segment ? 1 : most;
  for (;; n = std::min(2 * n, most)) {
    watch_.check();
    const std::vector<Window> windows = next_windows(stretches, n);
    while (!stretches.empty() && stretches.front().at >= stretches.front().end) {
      publish(stretches.front().segments);
      stretches = stretches.subspan(1);
    }
    if (!stretches.empty()) publish(stretches.front().segments);
    if (windows.empty()) break;
    std::size_t left = 0;  // samples
    for (const Stretch& stretch : stretches) left += stretch.end - stretch.at;
    report_progress(to_do_ - left);
    for (const Window& window : windows) encode(window);
    const std::vector<DecodedWindow> decoded = decode(windows);
    for (std::size_t i = 0; i < windows.size(); ++i) finish(windows[i], decoded[i]);
  }
}

// One for each of the first `most` stretches that have sound left; what is too short or silent is
// passed over.
std::vector<Transcriber::Window> Transcriber::next_windows(std::span<Stretch> stretches,
                                                           std::size_t most) const {
  const auto length = static_cast<std::size_t>(network_.hparams().n_audio_ctx) * 2 * Mel::kHopSize;
  std::vector<Window> windows;
  for (Stretch& stretch : stretches) {
    if (windows.size() == most) break;
    while (stretch.at < stretch.end) {
      const std::size_t n = std::min(length, stretch.end - stretch.at);
      if (n >= kShortest && !is_silent(pcm_.data + stretch.at, n)) {
        windows.push_back({&stretch, static_cast<int>(windows.size()), stretch.at, n});
        break;
      }
      stretch.at += n;
    }
  }
  return windows;
}

void Transcriber::encode(const Window& window) {
  WindowMel mel;
  mel.positions = sound_positions(window.n_samples);
  {
    const Stopwatch stopwatch(transcript_.timings.mel);
    // The window ends where its audio does: a neighbouring span must not be heard in it.
    mel.silence = mel_.compute({pcm_.data, window.begin + window.n_samples}, window.begin,
                               2 * mel.positions, pool_, mel_buffer_);
    mel.sound = mel_buffer_;
  }
  const Stopwatch stopwatch(transcript_.timings.encode);
  network_.encode(mel, window.slot, pool_.size(), watch_);
}

std::vector<DecodedWindow> Transcriber::decode(std::span<const Window> windows) {
  const Stopwatch stopwatch(transcript_.timings.decode);
  if (language_ < 0) detect_language(windows.front().slot);
  std::vector<TokenId> previous = prompt_;
  previous.insert(previous.end(), history_.begin(), history_.end());
  std::vector<WindowToDecode> to_decode;
  for (const Window& window : windows) {
    to_decode.push_back({window.slot, static_cast<unsigned>(window.begin)});
  }
  return decoder_.decode(to_decode, previous, start_tokens(), watch_);
}

namespace {

std::vector<std::size_t> text_of(const WindowSegments& cut) {
  std::vector<std::size_t> text;
  for (const TokenSegment& segment : cut.segments) {
    text.insert(text.end(), segment.text.begin(), segment.text.end());
  }
  return text;
}

// Enough for the rest of a window that was to be passed over; not so what was just said.
bool is_sure(const DecodedWindow& decoded, const std::vector<Segment>& segments,
             const std::string& last_text) {
  const bool again = !segments.empty() && segments.front().text == last_text;
  return !again && !decoded.repeats && decoded.no_speech_prob <= kMostNoSpeech &&
         decoded.avg_logprob >= kLeastLogprob;
}

}  // namespace

void Transcriber::finish(const Window& window, const DecodedWindow& decoded) {
  const double length = static_cast<double>(window.n_samples) / kSampleRate;
  const bool silent =
      options_.no_speech_threshold && decoded.no_speech_prob > *options_.no_speech_threshold &&
      (!options_.logprob_threshold || decoded.avg_logprob < *options_.logprob_threshold);
  Stretch& stretch = *window.stretch;
  const std::size_t passed_over = std::exchange(stretch.passed_over, 0);
  const bool in_rest = passed_over > stretch.at;
  if (silent) {
    stretch.at = in_rest ? passed_over : stretch.at + window.n_samples;
    return;
  }
  WindowSegments cut = cut_segments(decoded.tokens, vocabulary_, length);
  if (decoded.repeats) {
    cut_loops(cut, decoded.tokens, vocabulary_, options_.compression_ratio_threshold);
  }
  Text text{text_of(cut), {}};
  mend_drift(cut, text, decoded, window);
  std::vector<Segment> segments = segments_of(cut, decoded, window.begin);
  if (in_rest && !is_sure(decoded, segments, stretch.last_text)) {
    stretch.at = passed_over;
    return;
  }
  std::size_t done =
      std::clamp(to_samples(cut.next, window.n_samples), kShortest, window.n_samples);
  if (cut.next - cut.heard >= kLongRest) {
    stretch.passed_over = stretch.at + done;
    done = std::clamp(to_samples(cut.heard, window.n_samples), kShortest, window.n_samples);
  }
  if (options_.word_timestamps) add_words(text, decoded, window, done, segments);
  if (!segments.empty()) stretch.last_text = segments.back().text;
  std::move(segments.begin(), segments.end(), std::back_inserter(stretch.segments));
  stretch.at += done;
  if (options_.condition_on_previous_text) {
    if (decoded.temperature > kHottestHistory) history_.clear();
    for (const std::size_t i : text.tokens) history_.push_back(decoded.tokens[i]);
  }
}

// Now and then, above all after silence, a model lets the time pass too slowly: all that is said is
// in its text, but what follows would begin long before the end of it and say the rest again.
void Transcriber::mend_drift(WindowSegments& cut, Text& text, const DecodedWindow& decoded,
                             const Window& window) {
  const double length = static_cast<double>(window.n_samples) / kSampleRate;
  if (pointing_heads_.empty() || length - cut.heard < kLongRest) return;
  const Stopwatch align(transcript_.timings.align);
  if (text.tokens.size() < kLastTokens) return;
  const std::vector<double> starts = find_starts(text, decoded, window.slot, window.n_samples);
  if (starts[text.tokens.size() - kLastTokens] < cut.heard + kDrift) return;
  std::size_t at = 0;
  for (TokenSegment& segment : cut.segments) {
    segment.start = starts[at];
    at += segment.text.size();
    segment.end = starts[at];
  }
  cut.heard = cut.segments.back().end;
  cut.next = std::max(cut.next, cut.heard);
}

// With a margin of silence, in which the model sees that the speech has ended.
int Transcriber::sound_positions(std::size_t n_samples) const {
  constexpr std::size_t kMargin = 50;  // of 20 ms
  constexpr std::size_t kPosition = 2 * Mel::kHopSize;
  const auto whole = static_cast<std::size_t>(network_.hparams().n_audio_ctx);
  if (options_.full_windows) return static_cast<int>(whole);
  return static_cast<int>(std::min(whole, (n_samples + kPosition - 1) / kPosition + kMargin));
}

void Transcriber::detect_language(int slot) {
  const std::vector<TokenId> tokens = {vocabulary_.start_of_transcript()};
  const std::vector<int> rows = {0};
  const std::vector<int> slots = {slot};
  const std::span<const float> logits = network_.prompt(tokens, rows, slots, 1, watch_);
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

std::vector<Segment> Transcriber::segments_of(const WindowSegments& cut,
                                              const DecodedWindow& decoded,
                                              std::size_t begin) const {
  const double offset = static_cast<double>(begin) / kSampleRate;
  const char* language = kLanguages[static_cast<std::size_t>(language_)].code;
  std::vector<Segment> segments;
  for (const TokenSegment& part : cut.segments) {
    Segment segment;
    segment.seek = static_cast<int>(begin / Mel::kHopSize);
    segment.start = offset + part.start;
    segment.end = offset + part.end;
    segment.temperature = decoded.temperature;
    segment.avg_logprob = decoded.avg_logprob;
    segment.no_speech_prob = decoded.no_speech_prob;
    std::vector<TokenId> ids;
    for (std::size_t i : part.text) {
      ids.push_back(decoded.tokens[i]);
      segment.tokens.push_back({ids.back(), vocabulary_.text(ids.back()), decoded.logprobs[i]});
    }
    for (const TokenRun& word : split_words(ids, vocabulary_, language)) {
      segment.text += word.text;
    }
    segments.push_back(std::move(segment));
  }
  return segments;
}

void Transcriber::publish(std::vector<Segment>& segments) {
  for (Segment& segment : segments) {
    // As openai-whisper's transcribe(): what has no time or no text is none.
    if (segment.end <= segment.start || trimmed(segment.text).empty()) continue;
    segment.id = static_cast<int>(transcript_.segments.size());
    if (watch_.control().on_segment) watch_.control().on_segment(segment);
    transcript_.segments.push_back(std::move(segment));
  }
  segments.clear();
}

void Transcriber::add_words(Text& text, const DecodedWindow& decoded, const Window& window,
                            std::size_t n_done, std::vector<Segment>& segments) {
  if (segments.empty()) return;
  const Stopwatch align(transcript_.timings.align);
  constexpr double kShortestWord = 0.02;  // seconds
  const std::vector<std::size_t>& tokens = text.tokens;
  // Whether the text starts or ends before its token i, or a segment does, or text was left out.
  const auto interrupted = [&](std::size_t i) {
    return i == 0 || i == tokens.size() || tokens[i] > tokens[i - 1] + 1;
  };
  const std::vector<double> starts = find_starts(text, decoded, window.slot, n_done);
  const double offset = static_cast<double>(window.begin) / kSampleRate;
  const double window_end = offset + static_cast<double>(n_done) / kSampleRate;
  const Loudness loudness(pcm_, window.begin, n_done);

  std::size_t at = 0;  // of the segment's first token among the window's text tokens
  double previous_end = offset;
  const char* language = kLanguages[static_cast<std::size_t>(language_)].code;
  for (Segment& segment : segments) {
    std::vector<TokenId> ids;
    for (const Token& token : segment.tokens) ids.push_back(token.id);
    for (const TokenRun& run : split_words(ids, vocabulary_, language)) {
      Word word;
      word.text = run.text;
      word.start = std::max(offset + starts[at + run.first], previous_end);
      word.end = offset + starts[at + run.last];
      word.end = std::min(std::max(word.end, word.start + kShortestWord), window_end);
      word.start = std::min(word.start, word.end);
      previous_end = word.end;
      bound(
          word, run.last - run.first,
          {.alone_before = interrupted(at + run.first), .alone_after = interrupted(at + run.last)});
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

std::vector<double> Transcriber::find_starts(Text& text, const DecodedWindow& decoded, int slot,
                                             std::size_t n_done) {
  std::vector<TokenId> tokens = start_tokens();
  const int first_row = static_cast<int>(tokens.size());
  tokens.push_back(vocabulary_.no_timestamps());
  for (const std::size_t i : text.tokens) tokens.push_back(decoded.tokens[i]);
  if (text.attention.empty()) {
    std::vector<AttentionHead> heads;
    for (const PointingHead& p : pointing_heads_) heads.push_back(p.head);
    text.attention = network_.attend(tokens, heads, slot, watch_);
  }
  const auto n_ctx =
      static_cast<int>(text.attention.size() / (pointing_heads_.size() * tokens.size()));
  const int n_frames = std::clamp(static_cast<int>(n_done / (2 * Mel::kHopSize)), 1, n_ctx);
  return token_starts(text.attention, pointing_heads_, static_cast<int>(tokens.size()), n_ctx,
                      n_frames, first_row);
}

void Transcriber::report_progress(std::size_t done) {
  if (!watch_.control().on_progress) return;
  watch_.control().on_progress(to_do_ == 0 ? 1.0
                                           : static_cast<double>(std::min(done, to_do_)) /
                                                 static_cast<double>(to_do_));
}

}  // namespace earwitness::speech
