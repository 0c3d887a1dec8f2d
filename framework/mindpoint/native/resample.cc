// MindSpore custom operators for CPUs that change the size of maps, each channel separately: depthwise transposed convolution (upsampling
// with trained weights), max pooling and zero padding. Memory bandwidth limits the speed. For upsampling, each row of the larger map is
// split into "runs": pixels at a distance of the stride, made contiguous. The first pixel of a run is its "phase".

#include <omp.h>

#include <cstdint>
#include <cstring>

#include "dense.h"

namespace {

enum Failure { kOk = 0, kBadCount, kBadType, kBadShape, kEmpty, kNoMemory };

bool all_floats_of_4(const int *ndims, const char **dtypes, std::initializer_list<int> which) {
  return std::all_of(which.begin(), which.end(), [&](int i) { return std::strcmp(dtypes[i], "float32") == 0 && ndims[i] == 4; });
}

// ---- depthwise transposed convolution -------------------------------------------------------------------------------------------------

// x [B,C,H,W], weight [C,1,kh,kw], y [B,C,Ho,Wo]; in both directions, y[i * stride - padding + k] += x[i] * weight[k].
struct Upsampling {
  Int maps, channels, height, width, kernel_h, kernel_w, out_h, out_w, stride_h, stride_w, padding_h, padding_w;
  Int run;  // pixels of the longest run
};

Failure read_upsampling(const int64_t *x, const int64_t *weight, const int64_t *y, const int64_t *g, Upsampling *out) {
  Upsampling p{x[0] * x[1], x[1], x[2], x[3], weight[2], weight[3], y[2], y[3], g[0], g[1], g[2], g[3], 0};
  if (std::min({p.maps, p.height, p.width, p.kernel_h, p.kernel_w, p.out_h, p.out_w}) <= 0) return kEmpty;
  if (std::min(p.stride_h, p.stride_w) <= 0 || weight[0] != p.channels || weight[1] != 1 || y[0] != x[0] || y[1] != x[1] ||
      p.out_h != (p.height - 1) * p.stride_h + p.kernel_h - 2 * p.padding_h ||
      p.out_w != (p.width - 1) * p.stride_w + p.kernel_w - 2 * p.padding_w) {
    return kBadShape;
  }
  p.run = (p.out_w + p.stride_w - 1) / p.stride_w;
  *out = p;
  return kOk;
}

// Column kx of the kernel adds x[first..last-1] to the run with this phase, from index `at` on.
struct Overlap {
  Int phase, at, first, last;
};

Overlap overlap(const Upsampling &p, Int kx) {
  const Int start = kx - p.padding_w;  // column of y to which x[0] is added
  const Int phase = (start % p.stride_w + p.stride_w) % p.stride_w, shift = (start - phase) / p.stride_w;
  const Int length = phase < p.out_w ? (p.out_w - phase + p.stride_w - 1) / p.stride_w : 0;
  const Int first = std::max<Int>(0, -shift), last = std::max(first, std::min(p.width, length - shift));
  return {phase, first + shift, first, last};
}

// Calls visit(row of x, row of the kernel) for each pair that contributes to row oy of y.
template <typename Visit>
void for_each_row(const Upsampling &p, Int oy, Visit visit) {
  for (Int ky = (oy + p.padding_h) % p.stride_h; ky < p.kernel_h; ky += p.stride_h) {
    const Int iy = (oy + p.padding_h - ky) / p.stride_h;
    if (oy + p.padding_h >= ky && iy < p.height) visit(iy, ky);
  }
}

// Splits a row of y into its runs.
void split(const Upsampling &p, const float *row, float *runs) {
  for (Int phase = 0; phase < p.stride_w; phase++) {
    float *run = runs + phase * p.run;
    for (Int at = 0, x = phase; x < p.out_w; at++, x += p.stride_w) run[at] = row[x];
  }
}

void upsample(const Upsampling &p, const float *x, const float *weight, float *y) {
#pragma omp parallel
  {
    Buffer runs = allocate(p.stride_w * p.run);
#pragma omp for schedule(static)
    for (Int map = 0; map < p.maps; map++) {
      const float *in = x + map * p.height * p.width, *kernel = weight + map % p.channels * p.kernel_h * p.kernel_w;
      for (Int oy = 0; oy < p.out_h; oy++) {
        std::fill_n(runs.get(), p.stride_w * p.run, 0.f);
        for_each_row(p, oy, [&](Int iy, Int ky) {
          for (Int kx = 0; kx < p.kernel_w; kx++) {
            const Overlap o = overlap(p, kx);
            const float factor = kernel[ky * p.kernel_w + kx];
            const float *from = in + iy * p.width;
            float *to = runs.get() + o.phase * p.run + o.at - o.first;
            for (Int i = o.first; i < o.last; i++) to[i] += factor * from[i];
          }
        });
        float *row = y + (map * p.out_h + oy) * p.out_w;
        for (Int phase = 0; phase < p.stride_w; phase++) {
          const float *run = runs.get() + phase * p.run;
          for (Int at = 0, ox = phase; ox < p.out_w; at++, ox += p.stride_w) row[ox] = run[at];
        }
      }
    }
  }
}

void upsample_gradient(const Upsampling &p, const float *x, const float *weight, const float *dy, float *dx, float *dweight) {
  const Int taps = p.kernel_h * p.kernel_w;
  std::fill_n(dweight, p.channels * taps, 0.f);
#pragma omp parallel
  {
    Buffer runs = allocate(p.stride_w * p.run);
#pragma omp for schedule(static)
    for (Int channel = 0; channel < p.channels; channel++) {  // with all its images, so that a weight's gradient is summed in a fixed order
      for (Int map = channel; map < p.maps; map += p.channels) {
        const float *in = x + map * p.height * p.width, *kernel = weight + channel * taps;
        float *gradient = dx + map * p.height * p.width;
        std::fill_n(gradient, p.height * p.width, 0.f);
        for (Int oy = 0; oy < p.out_h; oy++) {
          split(p, dy + (map * p.out_h + oy) * p.out_w, runs.get());
          for_each_row(p, oy, [&](Int iy, Int ky) {
            for (Int kx = 0; kx < p.kernel_w; kx++) {
              const Overlap o = overlap(p, kx);
              const float factor = kernel[ky * p.kernel_w + kx];
              const float *from = in + iy * p.width, *run = runs.get() + o.phase * p.run + o.at - o.first;
              float *to = gradient + iy * p.width;
              Vec totals{};
              Int i = o.first;
              for (; i + kLanes <= o.last; i += kLanes) {
                const Vec part = load(run + i);
                store(to + i, load(to + i) + factor * part);
                totals += load(from + i) * part;
              }
              float total = sum(totals);
              for (; i < o.last; i++) {
                to[i] += factor * run[i];
                total += from[i] * run[i];
              }
              dweight[channel * taps + ky * p.kernel_w + kx] += total;
            }
          });
        }
      }
    }
  }
}

template <typename Pass>
int run_upsampling(int y, int geometry, void **params, const int *ndims, int64_t **shapes, const char **dtypes, Pass pass) {
  if (!all_floats_of_4(ndims, dtypes, {0, 1, y}) || std::strcmp(dtypes[geometry], "int64") != 0) return kBadType;
  if (ndims[geometry] != 1 || shapes[geometry][0] != 4) return kBadShape;
  Upsampling p;
  const Failure failure = read_upsampling(shapes[0], shapes[1], shapes[y], static_cast<const int64_t *>(params[geometry]), &p);
  if (failure == kOk) pass(p, [&](int i) { return static_cast<float *>(params[i]); });
  return failure;
}

// ---- max pooling ----------------------------------------------------------------------------------------------------------------------

// x [B,C,H,W], y [B,C,Ho,Wo]. Windows start at the upper left corner, at distances of the stride; incomplete windows are left out.
struct Pooling {
  Int maps, height, width, out_h, out_w, window_h, window_w, stride_h, stride_w;
};

Failure read_pooling(const int64_t *x, const int64_t *y, const int64_t *g, Pooling *out) {
  Pooling p{x[0] * x[1], x[2], x[3], y[2], y[3], g[0], g[1], g[2], g[3]};
  if (std::min({p.maps, p.height, p.width, p.out_h, p.out_w}) <= 0) return kEmpty;
  if (y[0] != x[0] || y[1] != x[1] || std::min({p.window_h, p.window_w, p.stride_h, p.stride_w}) <= 0 ||
      p.window_h > p.height || p.window_w > p.width ||
      p.out_h != (p.height - p.window_h) / p.stride_h + 1 || p.out_w != (p.width - p.window_w) / p.stride_w + 1) {
    return kBadShape;
  }
  *out = p;
  return kOk;
}

void pool(const Pooling &p, const float *x, float *y) {
#pragma omp parallel for schedule(static)
  for (Int row = 0; row < p.maps * p.out_h; row++) {
    const float *in = x + (row / p.out_h * p.height + row % p.out_h * p.stride_h) * p.width;
    float *out = y + row * p.out_w;
    for (Int ox = 0; ox < p.out_w; ox++) out[ox] = in[ox * p.stride_w];
    for (Int i = 0; i < p.window_h; i++) {
      for (Int j = i == 0; j < p.window_w; j++) {
        const float *from = in + i * p.width + j;
        for (Int ox = 0; ox < p.out_w; ox++) {
          const float value = from[ox * p.stride_w];
          out[ox] = value > out[ox] || value != value ? value : out[ox];  // keeps NaN
        }
      }
    }
  }
}

// A window's gradient goes to the first of its largest pixels. Gradients of overlapping windows add up.
void pool_gradient(const Pooling &p, const float *x, const float *dy, float *dx) {
#pragma omp parallel for schedule(static)
  for (Int map = 0; map < p.maps; map++) {
    float *gradient = dx + map * p.height * p.width;
    std::fill_n(gradient, p.height * p.width, 0.f);
    for (Int oy = 0; oy < p.out_h; oy++) {
      for (Int ox = 0; ox < p.out_w; ox++) {
        const Int corner = oy * p.stride_h * p.width + ox * p.stride_w;
        const float *in = x + map * p.height * p.width + corner;
        Int best = 0;
        for (Int i = 0; i < p.window_h; i++) {
          for (Int j = 0; j < p.window_w; j++) best = in[i * p.width + j] > in[best] ? i * p.width + j : best;
        }
        gradient[corner + best] += dy[(map * p.out_h + oy) * p.out_w + ox];
      }
    }
  }
}

// ---- zero padding ---------------------------------------------------------------------------------------------------------------------

// The inner maps [B,C,H,W], and the outer ones with a border on each side.
struct Border {
  Int maps, height, width, top, left, outer_height, outer_width;
};

Failure read_border(const int64_t *inner, const int64_t *outer, const int64_t *g, Border *out) {
  Border p{inner[0] * inner[1], inner[2], inner[3], g[0], g[2], outer[2], outer[3]};
  if (std::min({p.maps, p.height, p.width}) <= 0) return kEmpty;
  if (std::min({g[0], g[1], g[2], g[3]}) < 0 || outer[0] != inner[0] || outer[1] != inner[1] ||
      p.outer_height != p.height + g[0] + g[1] || p.outer_width != p.width + g[2] + g[3]) {
    return kBadShape;
  }
  *out = p;
  return kOk;
}

void add_border(const Border &p, const float *x, float *y) {
  const Int size = p.outer_height * p.outer_width;
#pragma omp parallel for schedule(static)
  for (Int map = 0; map < p.maps; map++) {
    std::fill_n(y + map * size, size, 0.f);
    for (Int row = 0; row < p.height; row++) {
      std::copy_n(x + (map * p.height + row) * p.width, p.width, y + map * size + (p.top + row) * p.outer_width + p.left);
    }
  }
}

void remove_border(const Border &p, const float *y, float *x) {
#pragma omp parallel for schedule(static)
  for (Int map = 0; map < p.maps; map++) {
    for (Int row = 0; row < p.height; row++) {
      const float *from = y + map * p.outer_height * p.outer_width + (p.top + row) * p.outer_width + p.left;
      std::copy_n(from, p.width, x + (map * p.height + row) * p.width);
    }
  }
}

// Parameters are a map, the geometry and the resulting map; `inner` and `outer` are the indices of the two maps.
template <typename Pass>
int run_border(int count, int inner, int outer, void **params, const int *ndims, int64_t **shapes, const char **dtypes, Pass pass) {
  if (count != 3) return kBadCount;
  if (!all_floats_of_4(ndims, dtypes, {0, 2}) || std::strcmp(dtypes[1], "int64") != 0) return kBadType;
  if (ndims[1] != 1 || shapes[1][0] != 4) return kBadShape;
  Border p;
  const Failure failure = read_border(shapes[inner], shapes[outer], static_cast<const int64_t *>(params[1]), &p);
  if (failure == kOk) pass(p, static_cast<const float *>(params[0]), static_cast<float *>(params[2]));
  return failure;
}

}  // namespace

// ---- MindSpore's interface: inputs, then outputs; a return value other than 0 becomes a RuntimeError ----------------------------------

// x, weight, geometry (stride, padding, each vertical then horizontal) -> y
extern "C" int Upsample(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  if (count != 4) return kBadCount;
  return run_upsampling(3, 2, params, ndims, shapes, dtypes,
                        [](const Upsampling &p, auto array) { upsample(p, array(0), array(1), array(3)); });
}

// x, weight, dy, geometry -> dx, dweight
extern "C" int UpsampleGrad(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  if (count != 6) return kBadCount;
  return run_upsampling(2, 3, params, ndims, shapes, dtypes, [](const Upsampling &p, auto array) {
    upsample_gradient(p, array(0), array(1), array(2), array(4), array(5));
  });
}

// x, geometry (window, stride, each vertical then horizontal) -> y
extern "C" int MaxPool(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  if (count != 3) return kBadCount;
  if (!all_floats_of_4(ndims, dtypes, {0, 2}) || std::strcmp(dtypes[1], "int64") != 0) return kBadType;
  Pooling p;
  const Failure failure = read_pooling(shapes[0], shapes[2], static_cast<const int64_t *>(params[1]), &p);
  if (failure == kOk) pool(p, static_cast<float *>(params[0]), static_cast<float *>(params[2]));
  return failure;
}

// x, dy, geometry -> dx
extern "C" int MaxPoolGrad(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  if (count != 4) return kBadCount;
  if (!all_floats_of_4(ndims, dtypes, {0, 1}) || std::strcmp(dtypes[2], "int64") != 0) return kBadType;
  Pooling p;
  const Failure failure = read_pooling(shapes[0], shapes[1], static_cast<const int64_t *>(params[2]), &p);
  if (failure == kOk) {
    pool_gradient(p, static_cast<float *>(params[0]), static_cast<float *>(params[1]), static_cast<float *>(params[3]));
  }
  return failure;
}

// x, geometry (top, bottom, left, right) -> y
extern "C" int AddBorder(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  return run_border(count, 0, 2, params, ndims, shapes, dtypes, add_border);
}

// dy, geometry -> dx
extern "C" int RemoveBorder(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  return run_border(count, 2, 0, params, ndims, shapes, dtypes, remove_border);
}
