#include "earwitness/engine.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <mutex>
#include <utility>

#include "earwitness/error.h"
#include "earwitness/runtime.h"
#include "speech/model_file.h"
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

void check_finite(PcmView pcm) {
  const auto bad = std::find_if(pcm.data, pcm.data + pcm.size,
                                [](float sample) { return !std::isfinite(sample); });
  if (bad != pcm.data + pcm.size) {
    throw AudioError("sample " + std::to_string(bad - pcm.data) +
                     " is not a finite number; clean the audio first");
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
  ggml_backend_dev_t device_handle = nullptr;
  std::string device;
  ModelInfo info;
  std::unique_ptr<const speech::Vocabulary> vocabulary;
  std::unique_ptr<const speech::Mel> mel;

  std::mutex mutex;
  std::shared_ptr<const speech::Weights> weights;          // null once closed
  std::vector<std::unique_ptr<speech::Network>> networks;  // idle, one per call that ran at a time

  std::unique_ptr<speech::Network> take_network() {
    std::shared_ptr<const speech::Weights> shared;
    {
      const std::lock_guard lock(mutex);
      if (!weights) throw EngineClosed();
      if (!networks.empty()) {
        auto network = std::move(networks.back());
        networks.pop_back();
        return network;
      }
      shared = weights;
    }
    return std::make_unique<speech::Network>(std::move(shared), device_handle);
  }

  void give_back(std::unique_ptr<speech::Network> network) {
    const std::lock_guard lock(mutex);
    if (weights) networks.push_back(std::move(network));
  }
};

Engine::Engine(const std::filesystem::path& path, const std::string& device)
    : impl_(std::make_shared<Impl>()) {
  impl_->device_handle = find_device(device);
  impl_->device = ggml_backend_dev_name(impl_->device_handle);
  speech::ModelFile file = speech::ModelFile::parse(path);
  const speech::Hyperparameters& h = file.hparams;
  impl_->vocabulary = std::make_unique<speech::Vocabulary>(std::move(file.tokens), h.n_vocab);
  impl_->mel =
      std::make_unique<speech::Mel>(file.mel_filters, file.n_filter_mels, file.n_filter_bins);
  impl_->weights = std::make_shared<speech::Weights>(file, impl_->device_handle);

  ModelInfo& info = impl_->info;
  info.type = model_type(h);
  info.weights = ggml_type_name(impl_->weights->encoder.front().mlp.up.weight->type);
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
      throw InvalidOption("an English-only model cannot translate; use a model without .en");
    }
  } else if (options.language && !vocabulary.language_index(*options.language)) {
    throw InvalidOption("this model does not know the language \"" + *options.language + "\"");
  }
  check_finite(pcm);
  check_scale(pcm);

  Watch watch(control);
  watch.check();
  const std::shared_ptr<Impl> impl = impl_;  // outlives a close() or destructor meanwhile
  std::unique_ptr<speech::Network> network = impl->take_network();
  Transcript transcript =
      speech::Transcriber(*network, vocabulary, *impl->mel, pcm, options, watch).run();
  impl->give_back(std::move(network));
  return transcript;
}

void Engine::close() {
  const std::lock_guard lock(impl_->mutex);
  impl_->networks.clear();
  impl_->weights.reset();
}

bool Engine::closed() const {
  const std::lock_guard lock(impl_->mutex);
  return !impl_->weights;
}

const ModelInfo& Engine::model() const { return impl_->info; }
const std::string& Engine::device() const { return impl_->device; }

}  // namespace earwitness
