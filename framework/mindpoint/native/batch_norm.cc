// Batch normalisation in training and its gradient on a CPU, as MindSpore custom operators. Bound by memory: every pixel is read twice, the
// second time from the cache where a channel fits. A channel is added up by one thread in one order: blocks of vectors in float, the blocks
// in double.

#include <omp.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#include "dense.h"

namespace {

enum Failure { kOk = 0, kBadCount, kBadType, kBadShape, kEmpty };

constexpr Int kBlock = 2048;  // floats

struct Maps {  // [B,C,H,W]
  Int images, channels, pixels;
  double count() const { return static_cast<double>(images * pixels); }
};

// Calls visit(offset, length) for the blocks of a channel.
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

// Sums over a channel of f(x, y).first and f(x, y).second, where f takes vectors as well as numbers.
template <typename F>
Sums sums(const Maps &m, Int channel, const float *x, const float *y, F f) {
  Sums total;
  for_each_block(m, channel, [&](Int at, Int length) {
    Vec first[2] = {}, second[2] = {};
    Int i = at;
    for (; i + kPanel <= at + length; i += kPanel) {
      for (int half = 0; half < 2; half++) {
        const auto [a, b] = f(load(x + i + half * kLanes), load(y + i + half * kLanes));
        first[half] += a;
        second[half] += b;
      }
    }
    float a_rest = 0, b_rest = 0;
    for (; i < at + length; i++) {
      const auto [a, b] = f(x[i], y[i]);
      a_rest += a;
      b_rest += b;
    }
    total.first += sum(first[0] + first[1]) + a_rest;
    total.second += sum(second[0] + second[1]) + b_rest;
  });
  return total;
}

void normalise(const Maps &m, const float *x, const float *gamma, const float *beta, const float *moving_mean, const float *moving_variance,
               double epsilon, double share, float *y, float *mean, float *scale, float *new_mean, float *new_variance) {
#pragma omp parallel for schedule(static)
  for (Int c = 0; c < m.channels; c++) {
    const float origin = x[c * m.pixels];  // squares of differences from some pixel: a large mean takes no digits then
    const Sums s = sums(m, c, x, x, [=](auto value, auto) {
      const auto d = value - origin;
      return std::pair<decltype(d), decltype(d)>(d, d * d);
    });
    const double shift = s.first / m.count(), rest = s.second - shift * s.first, squares = rest < 0 ? 0 : rest;  // not a number stays
    const double channel_mean = origin + shift, inverse = 1 / std::sqrt(squares / m.count() + epsilon);
    mean[c] = static_cast<float>(channel_mean);
    scale[c] = static_cast<float>(inverse);
    new_mean[c] = static_cast<float>((1 - share) * moving_mean[c] + share * channel_mean);
    new_variance[c] = static_cast<float>((1 - share) * moving_variance[c] + share * squares / std::max(1.0, m.count() - 1));
    const float factor = static_cast<float>(gamma[c] * inverse), middle = mean[c], offset = beta[c];
    for_each_block(m, c, [=](Int at, Int length) {
      for (Int i = at; i < at + length; i++) y[i] = (x[i] - middle) * factor + offset;
    });
  }
}

// dx = gamma * scale * (dy - mean of dy - normal * mean of dy * normal), normal = (x - mean) * scale
void gradient(const Maps &m, const float *x, const float *dy, const float *gamma, const float *mean, const float *scale, float *dx,
              float *dgamma, float *dbeta) {
#pragma omp parallel for schedule(static)
  for (Int c = 0; c < m.channels; c++) {
    const float middle = mean[c];
    const Sums s = sums(m, c, x, dy, [=](auto value, auto slope) {
      return std::pair<decltype(slope), decltype(slope)>(slope, slope * (value - middle));
    });
    const double normal_sum = s.second * scale[c];
    dbeta[c] = static_cast<float>(s.first);
    dgamma[c] = static_cast<float>(normal_sum);
    const float factor = gamma[c] * scale[c], average = static_cast<float>(s.first / m.count());
    const float slope = static_cast<float>(normal_sum / m.count() * scale[c]);
    for_each_block(m, c, [=](Int at, Int length) {
      for (Int i = at; i < at + length; i++) dx[i] = factor * (dy[i] - average - (x[i] - middle) * slope);
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

}  // namespace

// ---- MindSpore's interface: inputs, then outputs; a result other than 0 becomes a RuntimeError ----------------------------------------

// x, gamma, beta, moving mean, moving variance, (epsilon, share of the batch in the moving ones)
// -> y, mean, 1 / sqrt(variance + epsilon), new moving mean, new moving variance
extern "C" int BatchNorm(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  if (count != 11) return kBadCount;
  Maps m;
  const Failure failure = read(ndims, shapes, dtypes, count, &m);
  if (failure != kOk) return failure;
  if (!are_channels(m, ndims, shapes, {1, 2, 3, 4, 7, 8, 9, 10}) || ndims[5] != 1 || shapes[5][0] != 2) return kBadShape;
  const auto array = [&](int i) { return static_cast<float *>(params[i]); };
  normalise(m, array(0), array(1), array(2), array(3), array(4), array(5)[0], array(5)[1], array(6), array(7), array(8), array(9), array(10));
  return kOk;
}

// x, dy, gamma, mean, 1 / sqrt(variance + epsilon) -> dx, dgamma, dbeta
extern "C" int BatchNormGrad(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  if (count != 8) return kBadCount;
  Maps m;
  const Failure failure = read(ndims, shapes, dtypes, count, &m);
  if (failure != kOk) return failure;
  if (!are_channels(m, ndims, shapes, {2, 3, 4, 6, 7})) return kBadShape;
  const auto array = [&](int i) { return static_cast<float *>(params[i]); };
  gradient(m, array(0), array(1), array(2), array(3), array(4), array(5), array(6), array(7));
  return kOk;
}
