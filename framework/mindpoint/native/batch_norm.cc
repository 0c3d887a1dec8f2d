// MindSpore custom operators for CPUs: batch normalisation in training and its gradient, optionally followed by adding a residual and a
// ReLU. Memory bandwidth limits the speed: every pixel is read twice, the second time from the cache if the channel fits there. One thread
// sums a channel in a fixed order: blocks in float32, their sums in double precision.

#include <omp.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "dense.h"

namespace {

enum Failure { kOk = 0, kBadCount, kBadType, kBadShape, kEmpty };

constexpr Int kBlock = 2048;  // floats of a block

struct Maps {  // [B,C,H,W]
  Int images, channels, pixels;
  double count() const { return static_cast<double>(images * pixels); }
};

// Calls visit(offset, length) for each block of a channel.
template <typename Visit>
void for_each_block(const Maps &m, Int channel, Visit visit) {
  for (Int image = 0; image < m.images; image++) {
    const Int start = (image * m.channels + channel) * m.pixels;
    for (Int at = 0; at < m.pixels; at += kBlock) visit(start + at, std::min(kBlock, m.pixels - at));
  }
}

struct Sums {
  double first = 0, second = 0;
};

// Returns the sums of f(i, kind).first and f(i, kind).second over a channel. If kind is a Vec, f returns Vecs for the elements from i on;
// if kind is a float, it returns floats for element i.
template <typename F>
Sums sums(const Maps &m, Int channel, F f) {
  Sums total;
  for_each_block(m, channel, [&](Int at, Int length) {
    Vec first[2] = {}, second[2] = {};
    Int i = at;
    for (; i + kPanel <= at + length; i += kPanel) {
      for (int half = 0; half < 2; half++) {
        const auto [a, b] = f(i + half * kLanes, Vec{});
        first[half] += a;
        second[half] += b;
      }
    }
    float a_rest = 0, b_rest = 0;
    for (; i < at + length; i++) {
      const auto [a, b] = f(i, 0.f);
      a_rest += a;
      b_rest += b;
    }
    total.first += sum(first[0] + first[1]) + a_rest;
    total.second += sum(second[0] + second[1]) + b_rest;
  });
  return total;
}

// Calls f(i, kind) for all elements of a channel; kind as for sums.
template <typename F>
void for_each_place(const Maps &m, Int channel, F f) {
  for_each_block(m, channel, [&](Int at, Int length) {
    Int i = at;
    for (; i + kLanes <= at + length; i += kLanes) f(i, Vec{});
    for (; i < at + length; i++) f(i, 0.f);
  });
}

Vec at(const float *p, Int i, Vec) { return load(p + i); }
float at(const float *p, Int i, float) { return p[i]; }
void put(float *p, Int i, Vec value) { store(p + i, value); }
void put(float *p, Int i, float value) { p[i] = value; }

struct Forward {
  const float *x, *gamma, *beta, *moving_mean, *moving_variance;
  double epsilon, share;
  const float *residual;
  float *y, *mean, *scale, *new_mean, *new_variance;
};

template <bool kResidual, bool kRelu>
void normalise(const Maps &m, const Forward &f) {
#pragma omp parallel for schedule(static)
  for (Int c = 0; c < m.channels; c++) {
    const float origin = f.x[c * m.pixels];  // subtracting a pixel before squaring avoids cancellation if the mean is large
    const Sums s = sums(m, c, [=, x = f.x](Int i, auto kind) {
      const auto d = at(x, i, kind) - origin;
      return std::pair<decltype(kind), decltype(kind)>(d, d * d);
    });
    const double shift = s.first / m.count(), rest = s.second - shift * s.first, squares = rest < 0 ? 0 : rest;  // keeps NaN
    const double channel_mean = origin + shift, inverse = 1 / std::sqrt(squares / m.count() + f.epsilon);
    f.mean[c] = static_cast<float>(channel_mean);
    f.scale[c] = static_cast<float>(inverse);
    f.new_mean[c] = static_cast<float>((1 - f.share) * f.moving_mean[c] + f.share * channel_mean);
    f.new_variance[c] = static_cast<float>((1 - f.share) * f.moving_variance[c] + f.share * squares / std::max(1.0, m.count() - 1));
    const float factor = static_cast<float>(f.gamma[c] * inverse), middle = f.mean[c], offset = f.beta[c];
    for_each_place(m, c, [=, x = f.x, residual = f.residual, y = f.y](Int i, auto kind) {
      auto value = (at(x, i, kind) - middle) * factor + offset;
      if constexpr (kResidual) value += at(residual, i, kind);
      if constexpr (kRelu) value = value < 0 ? decltype(kind){} : value;  // keeps NaN
      put(y, i, value);
    });
  }
}

struct Backward {
  const float *x, *dy, *gamma, *mean, *scale, *y;
  float *dx, *dgamma, *dbeta, *dresidual;
};

// dx = gamma * scale * (dy - mean(dy) - normal * mean(dy * normal)) with normal = (x - mean) * scale; see Ioffe and Szegedy, 2015,
// https://arxiv.org/abs/1502.03167, section 3. With a ReLU, dy is first set to zero where y is zero.
template <bool kResidual, bool kRelu>
void gradient(const Maps &m, const Backward &b) {
#pragma omp parallel for schedule(static)
  for (Int c = 0; c < m.channels; c++) {
    const float *x = b.x, middle = b.mean[c];
    const auto slope_at = [dy = b.dy, y = b.y](Int i, auto kind) {
      if constexpr (kRelu) return at(y, i, kind) <= 0 ? decltype(kind){} : at(dy, i, kind);
      return at(dy, i, kind);
    };
    const Sums s = sums(m, c, [=, dresidual = b.dresidual](Int i, auto kind) {
      const auto slope = slope_at(i, kind);
      if constexpr (kResidual) put(dresidual, i, slope);
      return std::pair<decltype(kind), decltype(kind)>(slope, slope * (at(x, i, kind) - middle));
    });
    const double normal_sum = s.second * b.scale[c];
    b.dbeta[c] = static_cast<float>(s.first);
    b.dgamma[c] = static_cast<float>(normal_sum);
    const float factor = b.gamma[c] * b.scale[c], average = static_cast<float>(s.first / m.count());
    const float tilt = static_cast<float>(normal_sum / m.count() * b.scale[c]);
    for_each_place(m, c, [=, dx = b.dx, dresidual = b.dresidual](Int i, auto kind) {
      const auto slope = kResidual ? at(dresidual, i, kind) : slope_at(i, kind);
      put(dx, i, factor * (slope - average - (at(x, i, kind) - middle) * tilt));
    });
  }
}

Failure read(const int *ndims, int64_t **shapes, const char **dtypes, int count, Maps *out) {
  for (int i = 0; i < count; i++) {
    if (std::strcmp(dtypes[i], "float32") != 0) return kBadType;
  }
  if (ndims[0] != 4) return kBadShape;
  const int64_t *x = shapes[0];
  *out = {x[0], x[1], x[2] * x[3]};
  return std::min({out->images, out->channels, out->pixels}) > 0 ? kOk : kEmpty;
}

bool are_channels(const Maps &m, const int *ndims, int64_t **shapes, std::initializer_list<int> which) {
  return std::all_of(which.begin(), which.end(), [&](int i) { return ndims[i] == 1 && shapes[i][0] == m.channels; });
}

bool are_like_x(const int *ndims, int64_t **shapes, std::initializer_list<int> which) {
  return std::all_of(which.begin(), which.end(), [&](int i) { return ndims[i] == 4 && std::equal(shapes[0], shapes[0] + 4, shapes[i]); });
}

template <bool kResidual, bool kRelu>
int run_forward(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes) {
  const int out = kResidual ? 7 : 6;
  if (count != out + 5) return kBadCount;
  Maps m;
  const Failure failure = read(ndims, shapes, dtypes, count, &m);
  if (failure != kOk) return failure;
  if (!are_channels(m, ndims, shapes, {1, 2, 3, 4, out + 1, out + 2, out + 3, out + 4})) return kBadShape;
  if (ndims[5] != 1 || shapes[5][0] != 2 || !are_like_x(ndims, shapes, {out - kResidual, out})) return kBadShape;
  const auto array = [&](int i) { return static_cast<float *>(params[i]); };
  normalise<kResidual, kRelu>(m, {array(0), array(1), array(2), array(3), array(4), array(5)[0], array(5)[1], array(out - kResidual),
                                  array(out), array(out + 1), array(out + 2), array(out + 3), array(out + 4)});
  return kOk;
}

template <bool kResidual, bool kRelu>
int run_gradient(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes) {
  const int out = kRelu ? 6 : 5;
  if (count != out + 3 + kResidual) return kBadCount;
  Maps m;
  const Failure failure = read(ndims, shapes, dtypes, count, &m);
  if (failure != kOk) return failure;
  if (!are_channels(m, ndims, shapes, {2, 3, 4, out + 1, out + 2})) return kBadShape;
  if (!are_like_x(ndims, shapes, {1, out - kRelu, out, out + 3 * kResidual})) return kBadShape;
  const auto array = [&](int i) { return static_cast<float *>(params[i]); };
  gradient<kResidual, kRelu>(m, {array(0), array(1), array(2), array(3), array(4), array(out - kRelu), array(out), array(out + 1),
                                 array(out + 2), array(out + 3 * kResidual)});
  return kOk;
}

}  // namespace

// ---- MindSpore's interface: inputs, then outputs; a return value other than 0 becomes a RuntimeError ----------------------------------

// x, gamma, beta, moving mean, moving variance, (epsilon, weight of the batch in the moving statistics)
// -> y, mean, 1 / sqrt(variance + epsilon), new moving mean, new moving variance
extern "C" int BatchNorm(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  return run_forward<false, false>(count, params, ndims, shapes, dtypes);
}

extern "C" int BatchNormRelu(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  return run_forward<false, true>(count, params, ndims, shapes, dtypes);
}

// As above, with the residual as last input.
extern "C" int BatchNormAdd(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  return run_forward<true, false>(count, params, ndims, shapes, dtypes);
}

extern "C" int BatchNormAddRelu(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  return run_forward<true, true>(count, params, ndims, shapes, dtypes);
}

// x, dy, gamma, mean, 1 / sqrt(variance + epsilon) -> dx, dgamma, dbeta
extern "C" int BatchNormGrad(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  return run_gradient<false, false>(count, params, ndims, shapes, dtypes);
}

// As above, with y, the output after the ReLU, as last input.
extern "C" int BatchNormReluGrad(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  return run_gradient<false, true>(count, params, ndims, shapes, dtypes);
}

// As above, with the residual's gradient as last output.
extern "C" int BatchNormAddReluGrad(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  return run_gradient<true, true>(count, params, ndims, shapes, dtypes);
}
