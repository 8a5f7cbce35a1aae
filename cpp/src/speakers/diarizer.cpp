#include <algorithm>
#include <functional>
#include <utility>

#include "earwitness/audio.h"
#include "earwitness/diarize.h"
#include "kernels/thread_pool.h"
#include "runtime/watch.h"
#include "speakers/clustering.h"
#include "speakers/embedding.h"
#include "speakers/listener.h"
#include "speakers/reconstruction.h"
#include "speakers/turns.h"
#include "speakers/weights.h"

namespace earwitness {
namespace {

constexpr double kListening = 0.97;  // share of the time that the networks take

speakers::SpeakerBounds bounds(const DiarizeOptions& options) {
  if (options.num_speakers > 0) return {options.num_speakers, options.num_speakers};
  return {options.min_speakers,
          options.max_speakers > 0 ? options.max_speakers : DiarizeOptions::kMostSpeakers};
}

}  // namespace

struct Diarizer::Impl {
  std::shared_ptr<const speakers::DiarizerWeights> weights;

  // give: hands all samples over, in order.
  Diarization diarize(const DiarizeOptions& options, const Control& control,
                      const std::function<void(const TakePcm&)>& give) const {
    options.validate();
    Watch watch(control);
    watch.check();
    kernels::ThreadPool pool(options.resolved_threads());
    const speakers::SpeakerBounds within = bounds(options);

    speakers::Listener listener(weights, options, pool, watch, kListening);
    give([&](PcmView samples, double share) { listener.add(samples, share); });
    const speakers::Evidence evidence = listener.finish();
    const speakers::Clustering clustering = speakers::cluster_speakers(evidence, within, watch);
    const auto frames = speakers::reconstruct(evidence, clustering, within.min, watch);
    Diarization out = speakers::make_turns(evidence, clustering, frames, within.min);
    if (control.on_progress) control.on_progress(1.0);
    return out;
  }
};

Diarizer::Diarizer(const std::filesystem::path& path)
    : impl_(std::make_shared<Impl>(Impl{speakers::DiarizerWeights::load(path)})) {}

Diarizer::~Diarizer() = default;

Diarization Diarizer::diarize(PcmView pcm, const DiarizeOptions& options,
                              const Control& control) const {
  constexpr std::size_t kBlock = 4 * kSampleRate;
  return impl_->diarize(options, control, [&](const TakePcm& take) {
    if (pcm.size > 0) check_pcm(pcm);  // in no audio there is nobody
    for (std::size_t at = 0; at < pcm.size; at += kBlock) {
      const std::size_t count = std::min(kBlock, pcm.size - at);
      take({pcm.data + at, count}, static_cast<double>(at + count) / static_cast<double>(pcm.size));
    }
  });
}

Diarization Diarizer::diarize_file(const std::filesystem::path& path, const DiarizeOptions& options,
                                   const Control& control) const {
  return impl_->diarize(options, control, [&](const TakePcm& take) {
    decode_audio_file(path, take, control.cancel, control.poll);
  });
}

VoiceVector Diarizer::embed(PcmView pcm, const Control& control) const {
  Watch watch(control);
  watch.check();
  kernels::ThreadPool pool(1);
  return speakers::Embedder(impl_->weights).embed(pcm, pool, control.cancel);
}

}  // namespace earwitness
