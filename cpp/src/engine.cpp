#include "earwitness/engine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "earwitness/audio.h"
#include "earwitness/error.h"
#include "earwitness/runtime.h"
#include "speech/cpu_network.h"
#include "speech/ggml_network.h"
#include "speech/model_file.h"
#include "speech/pointing.h"
#include "speech/published_heads.h"
#include "speech/transcriber.h"

namespace earwitness {
namespace {

std::string model_type(const speech::Hyperparameters& h) {
  static const std::map<std::pair<int, int>, const char*> kTypes = {
      {{4, 4}, "tiny"},     {{6, 6}, "base"},    {{12, 12}, "small"},
      {{24, 24}, "medium"}, {{32, 32}, "large"}, {{32, 4}, "turbo"},
  };
  const auto it = kTypes.find({h.n_audio_layer, h.n_text_layer});
  return it == kTypes.end() ? "custom" : it->second;
}

kernels::PackedMatrix::Precision packing_of(const std::string& precision) {
  if (precision == "int8") return kernels::PackedMatrix::Precision::kInteger;
  if (precision == "float") return kernels::PackedMatrix::Precision::kHalf;
  throw InvalidOption("precision is \"" + precision + "\"; it must be int8 or float");
}

// OpenAI's API draws the line at the same length.
void check_length(PcmView pcm) {
  constexpr std::size_t kShortest = kSampleRate / 10;
  if (pcm.size < kShortest) {
    throw AudioError("the audio is " + std::to_string(pcm.size * 1000 / kSampleRate) +
                     " ms long; at least 100 ms are needed");
  }
}

// Samples in other units (16-bit numbers in a float buffer) would come out as invented text.
void check_scale(PcmView pcm) {
  constexpr float kLoudest = 16.0F;  // a clipped mix may pass 1; raw integers pass this at once
  const bool absurd = std::any_of(pcm.data, pcm.data + pcm.size,
                                  [](float sample) { return std::abs(sample) > kLoudest; });
  if (absurd) {
    throw AudioError(
        "float samples must lie in [-1, 1]; divide 16-bit samples by 32768, or pass "
        "them as int16");
  }
}

}  // namespace

struct Engine::Impl {
  std::string device;
  ModelInfo info;
  std::unique_ptr<const speech::Vocabulary> vocabulary;
  std::unique_ptr<const speech::Mel> mel;

  std::mutex mutex;
  std::function<std::unique_ptr<speech::Network>()> make_network;  // shares the weights
  std::vector<std::unique_ptr<speech::Network>> networks;  // idle, one per call that ran at a time
  bool closed = false;

  std::timed_mutex pointing_mutex;  // held while they are being found: others wait for them
  std::optional<std::vector<speech::PointingHead>> pointing_heads;
  // Known without a search, if not to the hundredth of a second. May be none.
  std::vector<speech::PointingHead> following_heads;

  std::unique_ptr<speech::Network> take_network() {
    std::function<std::unique_ptr<speech::Network>()> make;
    {
      const std::lock_guard lock(mutex);
      if (closed) throw EngineClosed();
      if (!networks.empty()) {
        auto network = std::move(networks.back());
        networks.pop_back();
        return network;
      }
      make = make_network;
    }
    return make();
  }

  void give_back(std::unique_ptr<speech::Network> network) {
    const std::lock_guard lock(mutex);
    if (!closed) networks.push_back(std::move(network));
  }

  // Where they are not measured beforehand, the first call that asks finds them, once for all
  // calls; one that is cancelled meanwhile leaves it to the next.
  std::vector<speech::PointingHead> find_pointing_heads(speech::Network& network, int threads,
                                                        Watch& watch) {
    std::unique_lock lock(pointing_mutex, std::defer_lock);
    while (!lock.try_lock_for(std::chrono::milliseconds(20))) watch.check();
    if (!pointing_heads) {
      pointing_heads = speech::find_pointing_heads(network, *vocabulary, *mel, threads, watch);
    }
    return *pointing_heads;
  }

  void close() {
    const std::lock_guard lock(mutex);
    closed = true;
    networks.clear();
    make_network = nullptr;
  }
};

Engine::Engine(const std::filesystem::path& path, const std::string& device,
               const std::string& precision)
    : impl_(std::make_shared<Impl>()) {
  const kernels::PackedMatrix::Precision packing = packing_of(precision);
  ggml_backend_dev_t handle = find_device(device);
  impl_->device = ggml_backend_dev_name(handle);
  speech::ModelFile file = speech::ModelFile::parse(path);
  const speech::Hyperparameters h = file.hparams;
  impl_->pointing_heads = speech::measured_pointing_heads(file.fingerprint);
  if (impl_->pointing_heads) {
    impl_->following_heads = *impl_->pointing_heads;
  } else {
    for (const auto& head : speech::published_heads(h)) impl_->following_heads.push_back({head});
  }
  impl_->vocabulary = std::make_unique<speech::Vocabulary>(std::move(file.tokens), h.n_vocab);
  impl_->mel =
      std::make_unique<speech::Mel>(file.mel_filters, file.n_filter_mels, file.n_filter_bins);
  if (ggml_backend_dev_type(handle) == GGML_BACKEND_DEVICE_TYPE_CPU) {
    auto weights = std::make_shared<const speech::CpuWeights>(file, packing);
    impl_->make_network = [weights] { return std::make_unique<speech::CpuNetwork>(weights); };
  } else {
    auto weights = std::make_shared<const speech::GgmlWeights>(file, handle);
    impl_->make_network = [weights, handle] {
      return std::make_unique<speech::GgmlNetwork>(weights, handle);
    };
  }

  // The first call need not wait for its buffers.
  impl_->networks.push_back(impl_->make_network());

  ModelInfo& info = impl_->info;
  info.type = model_type(h);
  info.weights = ggml_type_name(file.tensors.at("encoder.blocks.0.mlp.0.weight").type);
  info.multilingual = impl_->vocabulary->multilingual();
  const int n_languages = info.multilingual ? impl_->vocabulary->language_count() : 1;
  for (int i = 0; i < n_languages; ++i) {
    info.languages.emplace_back(speech::kLanguages[static_cast<std::size_t>(i)].code);
  }
  info.n_mels = h.n_mels;
  info.n_audio_ctx = h.n_audio_ctx;
  info.n_vocab = h.n_vocab;
}

Engine::~Engine() = default;

Transcript Engine::transcribe(PcmView pcm, const TranscribeOptions& options,
                              const Control& control) const {
  options.validate();
  const speech::Vocabulary& vocabulary = *impl_->vocabulary;
  if (!vocabulary.multilingual()) {
    if (options.language && speech::find_language(*options.language) != 0) {
      throw InvalidOption("language is \"" + *options.language +
                          "\", and this model knows only English; use a model without .en");
    }
    if (options.task == "translate") {
      throw InvalidOption(
          "task is \"translate\", and this model knows only English; use a model without .en");
    }
  } else if (options.language && !vocabulary.language_index(*options.language)) {
    throw InvalidOption("this model does not know the language \"" + *options.language + "\"");
  }
  check_length(pcm);
  check_pcm(pcm);
  check_scale(pcm);

  Watch watch(control);
  watch.check();
  const std::shared_ptr<Impl> impl = impl_;  // outlives a close() or destructor meanwhile
  std::unique_ptr<speech::Network> network = impl->take_network();
  const std::vector<speech::PointingHead> heads =
      options.word_timestamps
          ? impl->find_pointing_heads(*network, options.resolved_threads(), watch)
          : impl->following_heads;
  Transcript transcript =
      speech::Transcriber(*network, vocabulary, *impl->mel, pcm, options, heads, watch).run();
  impl->give_back(std::move(network));
  return transcript;
}

void Engine::close() { impl_->close(); }

bool Engine::closed() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->closed;
}

const ModelInfo& Engine::model() const { return impl_->info; }
const std::string& Engine::device() const { return impl_->device; }

}  // namespace earwitness
