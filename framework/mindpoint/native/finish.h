// The end of a convolution, while its results are in the cache: normalisation, residual and ReLU.

#ifndef MINDPOINT_FINISH_H_
#define MINDPOINT_FINISH_H_

#include "dense.h"

namespace {

// y = scale[o] * result + shift[o] + residual, and zero instead of anything below it if `relu`.
struct Finish {
  const float *scale, *shift, *residual;  // of each output (no scale: 1), and of y's shape, or null
  bool relu;

  // Results of output o that stand side by side into y from place `at` on.
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

}  // namespace

#endif  // MINDPOINT_FINISH_H_
