#include "spans/silero.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <string>

#include "earwitness/error.h"
#include "kernels/half.h"

namespace earwitness::spans {
namespace {

constexpr int kHop = 128;
constexpr int kWindow = 256;
constexpr int kSteps = (kInput - kWindow) / kHop + 1;  // of the transform in a frame: 4
constexpr int kBins = kWindow / 2 + 1;
constexpr int kFolded = kWindow / 2;
constexpr int kWidths[] = {kBins, 128, 64, 64, 128};  // of the convolutions' inputs and output
constexpr int kTaps = 3;
static_assert(kSteps == 4);

constexpr std::uintmax_t kMostBytes = 4 << 20;
constexpr std::uint32_t kMagic = 0x67676d6c;  // "ggml"

// The file: magic, type, version, frame and context sizes, hyperparameters, then the tensors.
class File {
 public:
  explicit File(const std::filesystem::path& path) : path_(path.string()) {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (error) fail("it cannot be read");
    if (size > kMostBytes) fail("it is too large");
    std::ifstream in(path, std::ios::binary);
    bytes_.resize(static_cast<std::size_t>(size));
    in.read(bytes_.data(), static_cast<std::streamsize>(bytes_.size()));
    if (!in) fail("it cannot be read");
    parse();
  }

  [[noreturn]] void fail(const std::string& why) const {
    throw ModelError("cannot load the speech detector " + path_ + ": " + why +
                     "; install earwitness again");
  }

  // The tensor as float32. Shape: slowest dimension first.
  std::vector<float> tensor(const std::string& name, const std::vector<int>& shape) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) fail("tensor " + name + " is missing");
    const Tensor& tensor = found->second;
    if (tensor.shape != shape) fail("tensor " + name + " is of another shape");
    std::vector<float> values(tensor.count);
    for (std::size_t i = 0; i < tensor.count; ++i) {
      if (tensor.half) {
        std::uint16_t half = 0;
        std::memcpy(&half, bytes_.data() + tensor.offset + i * sizeof half, sizeof half);
        values[i] = kernels::from_half(half);
      } else {
        std::memcpy(&values[i], bytes_.data() + tensor.offset + i * sizeof(float), sizeof(float));
      }
      if (!std::isfinite(values[i])) fail("tensor " + name + " is damaged");
    }
    return values;
  }

 private:
  struct Tensor {
    std::vector<int> shape;
    bool half = false;
    std::size_t offset = 0;
    std::size_t count = 1;
  };

  void take(void* to, std::size_t bytes) {
    if (bytes > bytes_.size() - at_) fail("it ends early");
    std::memcpy(to, bytes_.data() + at_, bytes);
    at_ += bytes;
  }

  std::int32_t number() {
    std::int32_t value = 0;
    take(&value, sizeof value);
    return value;
  }

  std::string text(std::int32_t length) {
    if (length < 1 || length > 128) fail("a name in it has no sane length");
    std::string value(static_cast<std::size_t>(length), '\0');
    take(value.data(), value.size());
    return value;
  }

  void expect(const char* what, int value) {
    if (number() != value) fail(std::string("its ") + what + " is another");
  }

  void parse() {
    if (static_cast<std::uint32_t>(number()) != kMagic) fail("it is of another kind");
    if (text(number()) != "silero-16k") fail("it is not Silero VAD for 16 kHz");
    for (int part = 0; part < 3; ++part) number();  // the version: layers and shapes decide
    expect("frame", kSpeechFrame);
    expect("context", kContext);
    expect("number of layers", 4);
    for (int layer = 0; layer < 4; ++layer) {
      expect("layer's input", kWidths[layer]);
      expect("layer's output", kWidths[layer + 1]);
      expect("kernel", kTaps);
    }
    expect("LSTM's input", kLstmSize);
    expect("LSTM's size", kLstmSize);
    expect("output layer's input", kLstmSize);
    expect("output", 1);
    while (at_ < bytes_.size()) read_tensor();
  }

  void read_tensor() {
    const std::int32_t dimensions = number();
    const std::int32_t name_length = number();
    const std::int32_t type = number();
    if (dimensions < 0 || dimensions > 4) fail("a tensor has no sane number of dimensions");
    if (type != 0 && type != 1) fail("a tensor is neither float32 nor float16");
    Tensor tensor;
    tensor.half = type == 1;
    for (int d = 0; d < dimensions; ++d) {
      const std::int32_t size = number();
      if (size < 1 || size > 4096) fail("a tensor's dimension is out of range");
      tensor.shape.insert(tensor.shape.begin(), size);
      tensor.count *= static_cast<std::size_t>(size);
      if (tensor.count > kMostBytes) fail("a tensor is too large");
    }
    const std::string name = text(name_length);
    tensor.offset = at_;
    const std::size_t bytes = tensor.count * (tensor.half ? 2 : 4);
    if (bytes > bytes_.size() - at_) fail("it ends inside tensor " + name);
    at_ += bytes;
    tensors_.insert_or_assign(name, std::move(tensor));
  }

  std::string path_;
  std::vector<char> bytes_;
  std::size_t at_ = 0;
  std::map<std::string, Tensor> tensors_;
};

// A convolution's weights [out][in][taps] as the matrix [out][taps][in], whose rows lie along
// channels-last activations.
std::vector<float> channels_last(const std::vector<float>& weights, int outputs, int inputs) {
  std::vector<float> out(weights.size());
  for (int o = 0; o < outputs; ++o) {
    for (int i = 0; i < inputs; ++i) {
      for (int t = 0; t < kTaps; ++t) {
        out[static_cast<std::size_t>((o * kTaps + t) * inputs + i)] =
            weights[static_cast<std::size_t>((o * inputs + i) * kTaps + t)];
      }
    }
  }
  return out;
}

// The middle tap alone: all that a kernel sees of a single step with zeros around it.
std::vector<float> middle_tap(const std::vector<float>& weights, int outputs, int inputs) {
  std::vector<float> out(static_cast<std::size_t>(outputs * inputs));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = weights[i * kTaps + 1];
  return out;
}

// One part of the transform's basis [kBins][kWindow], which is even or odd about the window's
// middle and 0 at its start, for windows that are folded there: [kBins][kFolded], the middle first.
std::vector<float> folded(const File& file, const float* basis, float sign) {
  constexpr float kTolerance = 1e-5F;
  std::vector<float> out;
  for (const float* row = basis; row < basis + kBins * kWindow; row += kWindow) {
    const float middle = row[kFolded];
    bool right = std::abs(row[0]) <= kTolerance && std::abs(middle - sign * middle) <= kTolerance;
    out.push_back(middle);
    for (int n = 1; n < kFolded; ++n) {
      right = right && std::abs(row[n] - sign * row[kWindow - n]) <= kTolerance;
      out.push_back(row[n]);
    }
    if (!right) file.fail("its transform is another");
  }
  return out;
}

float sigmoid(float x) { return 1.0F / (1.0F + std::exp(-x)); }

}  // namespace

Silero::Silero(const std::filesystem::path& path) {
  const File file(path);
  const auto basis = file.tensor("_model.stft.forward_basis_buffer", {2 * kBins, 1, kWindow});
  const auto cosines = folded(file, basis.data(), 1.0F);
  const auto sines = folded(file, basis.data() + kBins * kWindow, -1.0F);
  cosines_ = kernels::PackedMatrix(cosines.data(), kBins, kFolded, nullptr);
  sines_ = kernels::PackedMatrix(sines.data(), kBins, kFolded, nullptr);
  for (std::size_t layer = 0; layer < convolutions_.size(); ++layer) {
    const int inputs = kWidths[layer];
    const int outputs = kWidths[layer + 1];
    const std::string name = "_model.encoder." + std::to_string(layer) + ".reparam_conv.";
    const auto weights = file.tensor(name + "weight", {outputs, inputs, kTaps});
    const auto bias = file.tensor(name + "bias", {outputs});
    const bool last = layer + 1 == convolutions_.size();
    const auto matrix =
        last ? middle_tap(weights, outputs, inputs) : channels_last(weights, outputs, inputs);
    convolutions_[layer] =
        kernels::PackedMatrix(matrix.data(), outputs, last ? inputs : kTaps * inputs, bias.data());
  }
  const auto input = file.tensor("_model.decoder.rnn.weight_ih", {kGates, kLstmSize});
  const auto recurrent = file.tensor("_model.decoder.rnn.weight_hh", {kGates, kLstmSize});
  auto bias = file.tensor("_model.decoder.rnn.bias_ih", {kGates});
  const auto recurrent_bias = file.tensor("_model.decoder.rnn.bias_hh", {kGates});
  for (std::size_t i = 0; i < bias.size(); ++i) bias[i] += recurrent_bias[i];
  lstm_input_ = kernels::PackedMatrix(input.data(), kGates, kLstmSize, bias.data());
  lstm_recurrent_ = kernels::PackedMatrix(recurrent.data(), kGates, kLstmSize, nullptr);
  const auto output = file.tensor("_model.decoder.decoder.2.weight", {kLstmSize});
  std::copy(output.begin(), output.end(), output_.begin());
  output_bias_ = file.tensor("_model.decoder.decoder.2.bias", {}).front();
}

void Silero::hear(const float* samples, const float* before, int count, float gain,
                  SileroScratch& scratch, float* gates) const {
  float* input = kernels::grow(scratch.input, kBatch * kInput);
  for (int frame = 0; frame < count; ++frame) {
    const float* own = samples + frame * kSpeechFrame;
    float* to = input + frame * kInput;
    std::copy_n(frame == 0 ? before : own - kContext, kContext, to);
    std::copy_n(own, kSpeechFrame, to + kContext);
    // The last sample is the mirror: it is not repeated.
    for (int i = 0; i < kMirrored; ++i) {
      to[kContext + kSpeechFrame + i] = own[kSpeechFrame - 2 - i];
    }
    for (int i = 0; i < kInput; ++i) to[i] *= gain;
  }
  hear_padded(input, count, scratch, gates);
}

void Silero::hear_padded(const float* input, int count, SileroScratch& scratch,
                         float* gates) const {
  constexpr kernels::Epilogue kRelu{.negative_slope = 0.0F};
  const int steps = count * kSteps;
  const kernels::Kernels& isa = kernels::active_kernels();
  float* sums = kernels::grow(scratch.sums, kBatch * kSteps * kFolded);
  float* differences = kernels::grow(scratch.differences, kBatch * kSteps * kFolded);
  for (int step = 0; step < steps; ++step) {
    const float* window = input + step / kSteps * kInput + step % kSteps * kHop;
    float mirrored[kFolded] = {};
    std::reverse_copy(window + kFolded + 1, window + kWindow, mirrored + 1);
    float* sum = sums + step * kFolded;
    float* difference = differences + step * kFolded;
    isa.sum_difference(window, mirrored, sum, difference, kFolded);
    sum[0] = window[kFolded];
    difference[0] = 0.0F;
  }
  float* spectrum = kernels::grow(scratch.spectrum, kBatch * kSteps * 2 * kBins);
  kernels::gemm_rows({sums, {kFolded}}, 0, steps, cosines_, {spectrum, {2 * kBins}}, {});
  kernels::gemm_rows({differences, {kFolded}}, 0, steps, sines_, {spectrum + kBins, {2 * kBins}},
                     {});

  // Each convolution's input has a step of zeros before and after each frame's; those are written
  // once, when the memory is new, and never touched again.
  float* magnitude = kernels::grow(scratch.magnitude, kBatch * (kSteps + 2) * kBins);
  for (int step = 0; step < steps; ++step) {
    const float* real = spectrum + step * 2 * kBins;
    float* to = magnitude + (step / kSteps * (kSteps + 2) + step % kSteps + 1) * kBins;
    for (int bin = 0; bin < kBins; ++bin) {
      to[bin] = std::sqrt(real[bin] * real[bin] + real[kBins + bin] * real[kBins + bin]);
    }
  }
  constexpr int kFirst = kWidths[1];
  constexpr int kSecond = kWidths[2];
  constexpr int kThird = kWidths[3];
  float* first = kernels::grow(scratch.first, kBatch * (kSteps + 2) * kFirst);
  kernels::gemm_rows({magnitude, {kBins, kSteps, (kSteps + 2) * kBins}}, 0, steps, convolutions_[0],
                     {first + kFirst, {kFirst, kSteps, (kSteps + 2) * kFirst}}, kRelu);
  // Stride 2: four steps become two, and those one.
  float* second = kernels::grow(scratch.second, kBatch * 4 * kSecond);
  kernels::gemm_rows({first, {2 * kFirst, 2, (kSteps + 2) * kFirst}}, 0, count * 2,
                     convolutions_[1], {second + kSecond, {kSecond, 2, 4 * kSecond}}, kRelu);
  float* third = kernels::grow(scratch.third, kBatch * kThird);
  kernels::gemm_rows({second, {4 * kSecond}}, 0, count, convolutions_[2], {third, {kThird}}, kRelu);
  float* fourth = kernels::grow(scratch.fourth, kBatch * kLstmSize);
  kernels::gemm_rows({third, {kThird}}, 0, count, convolutions_[3], {fourth, {kLstmSize}}, kRelu);
  kernels::gemm_rows({fourth, {kLstmSize}}, 0, count, lstm_input_, {gates, {kGates}}, {});
}

void Silero::follow(float* gates, int count, SileroState& state, float* probabilities) const {
  const kernels::Kernels& isa = kernels::active_kernels();
  for (int frame = 0; frame < count; ++frame) {
    float* own = gates + frame * kGates;
    kernels::gemm_rows({state.hidden.data(), {kLstmSize}}, 0, 1, lstm_recurrent_, {own, {kGates}},
                       {.accumulate = true});
    isa.lstm({.gates = own,
              .cell = state.cell.data(),
              .hidden = state.hidden.data(),
              .hidden_stride = kLstmSize,
              .rows = 1,
              .size = kLstmSize});
    float sum = output_bias_;
    for (std::size_t i = 0; i < output_.size(); ++i) {
      sum += output_[i] * std::max(0.0F, state.hidden[i]);
    }
    probabilities[frame] = sigmoid(sum);
  }
}

}  // namespace earwitness::spans
