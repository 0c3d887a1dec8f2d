// Depthwise convolution: each group has one input channel and one or more outputs.
//
// Each channel of the input is copied once into a "plane" of padded rows, whose columns are ordered by their remainder modulo the stride.
// The values that a tap reads from a row are then contiguous for any stride and dilation. Both gradients use the same layout.

#ifndef MINDPOINT_DEPTHWISE_H_
#define MINDPOINT_DEPTHWISE_H_

#include <omp.h>

#include "dense.h"
#include "finish.h"

namespace {

constexpr int kBlock = 4;  // vectors of an output row that are computed together

struct Depthwise {
  Int batch, channels, height, width, multiplier, kernel_h, kernel_w, out_h, out_w;
  Int stride_h, stride_w, top, left, dilation_h, dilation_w;

  Int taps() const { return kernel_h * kernel_w; }
  // Padded input rows that the taps read.
  Int reach_h() const { return (out_h - 1) * stride_h + dilation_h * (kernel_h - 1) + 1; }
  // Columns with the same remainder in a row of the plane, and all columns of a row. Blocks may read beyond the last output column.
  Int phase() const { return round_up(out_w, kBlock * kLanes) + dilation_w * (kernel_w - 1) / stride_w + 1; }
  Int row() const { return phase() * stride_w; }
  // Index in a row of the first value that the taps of kernel column j read.
  Int start(Int j) const { return j * dilation_w % stride_w * phase() + j * dilation_w / stride_w; }
};

// Calls visit(index in a row of the plane, column of the input) for each column of the input.
template <typename Visit>
void for_each_column(const Depthwise &p, Visit visit) {
  for (Int r = 0; r < p.stride_w; r++) {
    const Int first = std::max<Int>(0, (p.left - r + p.stride_w - 1) / p.stride_w);
    for (Int q = first; q < p.phase() && q * p.stride_w + r - p.left < p.width; q++) visit(r * p.phase() + q, q * p.stride_w + r - p.left);
  }
}

// Copies a channel of the input into a plane, with zeros as padding.
void spread(const Depthwise &p, const float *image, float *plane) {
  for (Int i = 0; i < p.reach_h(); i++, plane += p.row()) {
    std::fill_n(plane, p.row(), 0.f);
    const Int y = i - p.top;
    if (y < 0 || y >= p.height) continue;
    const float *from = image + y * p.width;
    for_each_column(p, [&](Int place, Int x) { plane[place] = from[x]; });
  }
}

// Copies a plane into a channel of the input, without its padding.
void collect(const Depthwise &p, const float *plane, float *image) {
  std::fill_n(image, p.height * p.width, 0.f);
  for (Int i = 0; i < p.reach_h(); i++, plane += p.row()) {
    const Int y = i - p.top;
    if (y < 0 || y >= p.height) continue;
    float *to = image + y * p.width;
    for_each_column(p, [&](Int place, Int x) { to[x] = plane[place]; });
  }
}

// Computes y [B, C * multiplier, Ho, Wo] from x [B, C, H, W] and weight [C * multiplier, 1, kh, kw].
void depthwise_forward(const Depthwise &p, const float *x, const float *weight, const Finish &finish, float *y) {
  const Int planes = p.batch * p.channels, threads = std::min<Int>(omp_get_max_threads(), planes), space = p.reach_h() * p.row();
  Buffer buffers = allocate(threads * space);
#pragma omp parallel for num_threads(threads) schedule(dynamic)
  for (Int w = 0; w < planes; w++) {
    float *plane = buffers.get() + omp_get_thread_num() * space;
    spread(p, x + w * p.height * p.width, plane);
    for (Int m = 0; m < p.multiplier; m++) {
      const Int o = w % p.channels * p.multiplier + m;
      const float *taps = weight + o * p.taps();
      for (Int row = 0; row < p.out_h; row++) {
        const Int at = ((w * p.multiplier + m) * p.out_h + row) * p.out_w;
        float *out = y + at;
        for (Int column = 0; column < p.out_w; column += kBlock * kLanes) {
          Vec sums[kBlock]{};
          for (Int i = 0; i < p.kernel_h; i++) {
            const float *from = plane + (row * p.stride_h + i * p.dilation_h) * p.row() + column;
            for (Int j = 0; j < p.kernel_w; j++) {
              const float tap = taps[i * p.kernel_w + j], *at = from + p.start(j);
#pragma GCC unroll 4
              for (int b = 0; b < kBlock; b++) sums[b] += tap * load(at + b * kLanes);
            }
          }
          for (int b = 0; b < kBlock; b++) {
            const Int first = column + b * kLanes, count = std::min<Int>(kLanes, p.out_w - first);
            if (count == kLanes) {
              store(out + first, sums[b]);
            } else {
              for (Int lane = 0; lane < count; lane++) out[first + lane] = sums[b][lane];
            }
          }
        }
        finish(out, o, at, p.out_w, y);
      }
    }
  }
}

// Layout of the output's gradient with zeros before and after each row, so that blocks may read beyond both ends.
struct Margin {
  Int before, row;
};

Margin margin_of(const Depthwise &p) {
  const Int before = p.dilation_w * (p.kernel_w - 1) / p.stride_w + 1;
  return {before, before + p.phase() + kBlock * kLanes};
}

void widen(const Depthwise &p, const Margin &margin, const float *dy, float *wide) {
  for (Int row = 0; row < p.out_h; row++, wide += margin.row, dy += p.out_w) {
    std::fill_n(wide, margin.row, 0.f);
    std::copy_n(dy, p.out_w, wide + margin.before);
  }
}

void depthwise_data(const Depthwise &p, const float *weight, const float *dy, float *dx) {
  const Margin margin = margin_of(p);
  const Int planes = p.batch * p.channels, threads = std::min<Int>(omp_get_max_threads(), planes);
  const Int wide_space = p.multiplier * p.out_h * margin.row, space = p.reach_h() * p.row();
  Buffer wides = allocate(threads * wide_space), buffers = allocate(threads * space);
#pragma omp parallel for num_threads(threads) schedule(dynamic)
  for (Int w = 0; w < planes; w++) {
    float *wide = wides.get() + omp_get_thread_num() * wide_space, *plane = buffers.get() + omp_get_thread_num() * space;
    for (Int m = 0; m < p.multiplier; m++) {
      widen(p, margin, dy + (w * p.multiplier + m) * p.out_h * p.out_w, wide + m * p.out_h * margin.row);
    }
    const float *taps = weight + w % p.channels * p.multiplier * p.taps();
    for (Int i = 0; i < p.reach_h(); i++) {
      for (Int r = 0; r < p.stride_w; r++) {
        for (Int column = 0; column < p.phase(); column += kBlock * kLanes) {
          Vec sums[kBlock]{};
          for (Int m = 0; m < p.multiplier; m++) {
            for (Int k = 0; k < p.kernel_h; k++) {
              const Int up = i - k * p.dilation_h, out = up / p.stride_h;
              if (up < 0 || up % p.stride_h != 0 || out >= p.out_h) continue;
              const float *from = wide + (m * p.out_h + out) * margin.row + margin.before + column;
              for (Int j = 0; j < p.kernel_w; j++) {
                if (j * p.dilation_w % p.stride_w != r) continue;
                const float tap = taps[m * p.taps() + k * p.kernel_w + j], *at = from - j * p.dilation_w / p.stride_w;
#pragma GCC unroll 4
                for (int b = 0; b < kBlock; b++) sums[b] += tap * load(at + b * kLanes);
              }
            }
          }
          float *to = plane + i * p.row() + r * p.phase() + column;
          for (int b = 0; b < kBlock; b++) {
            const Int count = std::min<Int>(kLanes, p.phase() - column - b * kLanes);
            for (Int lane = 0; lane < count; lane++) to[b * kLanes + lane] = sums[b][lane];
          }
        }
      }
    }
    collect(p, plane, dx + w * p.height * p.width);
  }
}

// Each work item is an input channel in all images. Products are summed over a row in float32, then over rows and images in double.
void depthwise_weight(const Depthwise &p, const float *x, const float *dy, float *dweight, float *dbias) {
  const Margin margin = margin_of(p);
  const Int threads = std::min<Int>(omp_get_max_threads(), p.channels), space = p.reach_h() * p.row(), wide_space = p.out_h * margin.row;
  Buffer planes = allocate(threads * space), wides = allocate(threads * wide_space);
#pragma omp parallel for num_threads(threads) schedule(dynamic)
  for (Int c = 0; c < p.channels; c++) {
    float *plane = planes.get() + omp_get_thread_num() * space, *wide = wides.get() + omp_get_thread_num() * wide_space;
    std::unique_ptr<double[]> totals(new double[p.multiplier * (p.taps() + 1)]());
    for (Int n = 0; n < p.batch; n++) {
      spread(p, x + (n * p.channels + c) * p.height * p.width, plane);
      for (Int m = 0; m < p.multiplier; m++) {
        double *total = totals.get() + m * (p.taps() + 1);
        widen(p, margin, dy + ((n * p.channels + c) * p.multiplier + m) * p.out_h * p.out_w, wide);
        for (Int row = 0; row < p.out_h; row++) {
          const float *gradient = wide + row * margin.row + margin.before;
          Vec bias{};
          for (Int column = 0; column < p.out_w; column += kLanes) bias += load(gradient + column);
          total[p.taps()] += sum(bias);
          for (Int i = 0; i < p.kernel_h; i++) {
            const float *from = plane + (row * p.stride_h + i * p.dilation_h) * p.row();
            for (Int j = 0; j < p.kernel_w; j++) {
              const float *at = from + p.start(j);
              Vec even{}, odd{};
              for (Int column = 0; column < p.out_w; column += 2 * kLanes) {
                even += load(gradient + column) * load(at + column);
                odd += load(gradient + column + kLanes) * load(at + column + kLanes);
              }
              total[i * p.kernel_w + j] += sum(even + odd);
            }
          }
        }
      }
    }
    for (Int m = 0; m < p.multiplier; m++) {
      const Int o = c * p.multiplier + m;
      for (Int t = 0; t < p.taps(); t++) dweight[o * p.taps() + t] = totals[m * (p.taps() + 1) + t];
      dbias[o] = totals[m * (p.taps() + 1) + p.taps()];
    }
  }
}

}  // namespace

#endif  // MINDPOINT_DEPTHWISE_H_
