// The last steps of a convolution, applied while its results are in the cache: normalisation, residual and ReLU.

#ifndef MINDPOINT_FINISH_H_
#define MINDPOINT_FINISH_H_

#include <cmath>
#include <cstdint>
#include <cstring>

#include "dense.h"

namespace {

// y = scale[o] * result + shift[o] + residual; with `relu`, y = max(y, 0).
struct Finish {
  const float *scale, *shift, *residual;  // scale: [O], or null for 1; shift: [O]; residual: of y's shape, or null for 0
  bool relu;

  // Computes y[at..at+count-1], in output channel o, from `count` contiguous results.
  void operator()(const float *results, Int o, Int at, Int count, float *y) const {
    const float factor = scale == nullptr ? 1.f : scale[o], term = shift[o];
    Int i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      Vec value = factor * load(results + i) + term;
      if (residual != nullptr) value += load(residual + at + i);
      if (relu) value = value > 0 ? value : Vec{};
      store(y + at + i, value);
    }
    for (; i < count; i++) {
      float value = factor * results[i] + term;
      if (residual != nullptr) value += residual[at + i];
      y[at + i] = relu && !(value > 0) ? 0.f : value;
    }
  }
};

// ---- The last steps as eight inputs of an operator: bias, gamma, beta, mean, variance, [O] each; settings, of which the first number is
// epsilon; residual [B,O,Ho,Wo]; and steps, three int64: whether to normalise, to add the residual, to apply the ReLU. If there is no
// residual, its input is ignored; without normalisation, the values of gamma, beta, mean, variance and settings are ignored.

constexpr int kEndingInputs = 8;

// Returns whether types and shapes of the eight inputs fit an output of shape y, [B,O,Ho,Wo].
inline bool is_ending(void *const *inputs, const int *ndims, int64_t *const *shapes, const char *const *dtypes, const int64_t *y) {
  for (int i = 0; i < kEndingInputs; i++) {
    if (std::strcmp(dtypes[i], i == 7 ? "int64" : "float32") != 0) return false;
  }
  for (int i = 0; i < 5; i++) {
    if (ndims[i] != 1 || shapes[i][0] != y[1]) return false;
  }
  if (ndims[5] != 1 || shapes[5][0] < 1 || ndims[7] != 1 || shapes[7][0] != 3) return false;
  const bool adds = static_cast<const int64_t *>(inputs[7])[1] != 0;
  return !adds || (ndims[6] == 4 && std::equal(y, y + 4, shapes[6]));
}

struct Ending {
  Buffer numbers;  // O scales, then O shifts
  Finish finish;

  Ending(void *const *inputs, Int outputs) : numbers(allocate(2 * outputs)) {
    const auto input = [&](int i) { return static_cast<const float *>(inputs[i]); };
    const auto *steps = static_cast<const int64_t *>(inputs[7]);
    float *scales = numbers.get(), *shifts = scales + outputs;
    for (Int o = 0; o < outputs; o++) {
      scales[o] = steps[0] ? input(1)[o] / std::sqrt(input(4)[o] + input(5)[0]) : 1;
      shifts[o] = steps[0] ? input(2)[o] + (input(0)[o] - input(3)[o]) * scales[o] : input(0)[o];
    }
    finish = {scales, shifts, steps[1] ? input(6) : nullptr, steps[2] != 0};
  }
};

}  // namespace

#endif  // MINDPOINT_FINISH_H_
