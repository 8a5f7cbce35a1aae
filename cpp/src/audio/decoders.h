// One decoder per family of formats; each reads the whole source into the sink.
#pragma once

#include "audio/pcm.h"
#include "audio/source.h"

namespace earwitness::audio {

// RIFF, RIFX, RF64, Wave64 and AIFF, with integer, float, A-law, mu-law or ADPCM samples. Throws
// UnsupportedFormat for other codecs in these containers.
void decode_wav(Source& source, PcmSink& sink);

// Bare FLAC and FLAC in Ogg.
void decode_flac(Source& source, PcmSink& sink);

// MPEG audio from the current position on, which is where a tag ended.
void decode_mpeg(Source& source, PcmSink& sink);

// The first Vorbis stream in Ogg, and those that follow after it.
void decode_vorbis(Source& source, PcmSink& sink);

}  // namespace earwitness::audio
