// MindSpore custom operators for CPUs: convolution and its gradients.
//
// x [B,C,H,W], weight [O,C/G,kh,kw], bias [O] and y [B,O,Ho,Wo] are float32. geometry is ten int64: stride (vertical, horizontal), padding
// (top, bottom, left, right), dilation (vertical, horizontal), groups G, and 1 to round the factors of matrix products to bfloat16, else 0.
// Below, "channels" and "outputs" are those of one group. Depthwise convolutions, with one channel per group, are computed in depthwise.h,
// always in float32; suits_winograd selects those computed in winograd.h.
//
// All others are matrix products with the unfolded input, the "columns" [C*kh*kw, positions]. Each thread keeps one small tile of them in
// its cache. Positions are contiguous, as in the maps, so unfolding copies runs of pixels, and only small tiles of the output's gradient
// are transposed. If maps are small, those of several images, a "stack", share a tile. Every element of a result is summed in a fixed
// order, regardless of batch size and number of threads.

#include <omp.h>

#include <cstring>
#include <vector>

#include "dense.h"
#include "depthwise.h"
#include "finish.h"
#include "unfold.h"
#include "winograd.h"
#include "winograd_gradient.h"

namespace {

constexpr Int kWeightsOfTile = 2048;  // Winograd's method is used with at most this many 3x3 kernels per tile

// Returns whether Winograd's method is faster. Its additions pay off only with enough channels, its four times larger weights only with
// enough tiles.
bool suits_winograd(const Problem &p, Int tiles) {
  const bool shape = p.kernel_h == 3 && p.kernel_w == 3 && std::max({p.stride_h, p.stride_w, p.dilation_h, p.dilation_w, p.groups}) == 1;
  return shape && std::min(p.channels, p.outputs) >= 16 &&
         p.channels * p.outputs <= kWeightsOfTile * tiles && tiles >= 16;
}

Winograd winograd(const Problem &p) { return {p.images, p.channels, p.height, p.width, p.outputs, p.out_h, p.out_w, p.top, p.left, p.bfloat16}; }

void forward(const Problem &p, const float *x, const float *weight, const Finish &finish, float *y) {
  if (suits_winograd(p, winograd(p).tiles())) return winograd_forward(winograd(p), x, {weight, p.depth, p.taps, false}, finish, y);
  const Int share = round_up((p.images * p.positions + omp_get_max_threads() - 1) / omp_get_max_threads(), kPanel);
  const Tiles tiles(p, std::min(kTile, share));
  const Int work = p.groups * tiles.all, threads = std::min<Int>(omp_get_max_threads(), work);
  Buffer columns = allocate(threads * kDepth * kTileRow), results = allocate(threads * p.outputs * kTileRow);
#pragma omp parallel num_threads(threads)
  {
    float *my_columns = columns.get() + omp_get_thread_num() * kDepth * kTileRow;
    float *my_results = results.get() + omp_get_thread_num() * p.outputs * kTileRow;
#pragma omp for schedule(dynamic)
    for (Int w = 0; w < work; w++) {
      const Int group = w % p.groups, t = w / p.groups, n = tiles.image(t), first = tiles.first(t), last = tiles.last(t);
      const Int padded = round_up(last - first, kPanel);
      for (Int k = 0; k < p.depth; k += kDepth) {
        const Int depth = std::min(kDepth, p.depth - k);
        unfold(p, x + p.x_at(n, group), k, k + depth, first, last, my_columns);
        const Factor left{weight + group * p.outputs * p.depth + k, p.depth, 1};
        multiply_as(p.bfloat16, p.outputs, padded, depth, left, {my_columns, kPanel, kTileRow}, my_results, kTileRow, k > 0);
      }
      for (Int o = 0; o < p.outputs; o++) {
        for_each_image(p, first, last, [&](Int at, Int image, Int position, Int count) {
          finish(my_results + o * kTileRow + at, group * p.outputs + o, p.y_at(n + image, group) + o * p.positions + position, count, y);
        });
      }
    }
  }
}

// The data gradient of a convolution of stride 1 is a convolution of dy with the weights rotated by 180 degrees.
bool data_by_winograd(const Problem &p, const float *weight, const float *dy, float *dx) {
  const Winograd w{p.images, p.outputs, p.out_h, p.out_w, p.channels, p.height, p.width, 2 - p.top, 2 - p.left, p.bfloat16};
  if (!suits_winograd(p, w.tiles())) return false;
  const std::vector<float> shift(p.channels);
  winograd_forward(w, dy, {weight, p.taps, p.depth, true}, {nullptr, shift.data(), nullptr, false}, dx);
  return true;
}

// Each work item is a stack, or some of its input channels, so that two threads never add to the same pixel.
void backward_data(const Problem &p, const float *weight, const float *dy, float *dx) {
  if (data_by_winograd(p, weight, dy, dx)) return;
  const Tiles tiles(p, kTile);
  const Int stacks = p.groups * tiles.stacks, shares = std::min<Int>(p.channels, (omp_get_max_threads() + stacks - 1) / stacks);
  const Int work = stacks * shares, threads = std::min<Int>(omp_get_max_threads(), work);
  Buffer columns = allocate(threads * kDepth * kTileRow), gradients = allocate(threads * p.outputs * kTileRow);
#pragma omp parallel num_threads(threads)
  {
    float *my_columns = columns.get() + omp_get_thread_num() * kDepth * kTileRow;
    float *my_dy = gradients.get() + omp_get_thread_num() * p.outputs * kTileRow;
#pragma omp for schedule(dynamic)
    for (Int w = 0; w < work; w++) {
      const Int share = w % shares, group = w / shares % p.groups, stack = w / shares / p.groups, n = stack * tiles.stack;
      const Int from = p.channels * share / shares, to = p.channels * (share + 1) / shares;
      const float *my_weight = weight + group * p.outputs * p.depth;
      float *images = dx + p.x_at(n, group);
      for (Int i = 0; i < std::min(tiles.stack, p.images - n); i++) {
        std::fill(images + i * p.next_x + from * p.pixels, images + i * p.next_x + to * p.pixels, 0.f);
      }
      for (Int t = stack * tiles.of_stack; t < (stack + 1) * tiles.of_stack; t++) {
        const Int first = tiles.first(t), last = tiles.last(t), padded = round_up(last - first, kPanel);
        gather(p, dy + p.y_at(n, group), first, last, my_dy);
        for (Int k = from * p.taps; k < to * p.taps; k += kDepth) {
          const Int rows = std::min(kDepth, to * p.taps - k);
          multiply_as(p.bfloat16, rows, padded, p.outputs, {my_weight + k, 1, p.depth}, {my_dy, kPanel, kTileRow}, my_columns, kTileRow, false);
          fold(p, my_columns, k, k + rows, first, last, images);
        }
      }
    }
  }
}

// Each work item is some rows of a group's columns, which give the same rows of the weight's gradient. The first item of a group also
// computes the bias's gradient.
void backward_weight(const Problem &p, const float *x, const float *dy, float *dweight, float *dbias) {
  if (suits_winograd(p, p.images * winograd(p).tiles())) return winograd_weight(winograd(p), x, dy, dweight, dbias);
  const Tiles tiles(p, kTile);
  const Int most = (omp_get_max_threads() + p.groups - 1) / p.groups, shares = std::min<Int>(most, (p.depth + kRows - 1) / kRows);
  const Int work = p.groups * shares, threads = std::min<Int>(omp_get_max_threads(), work), row = round_up(p.outputs, kPanel) + kLanes;
  Buffer columns = allocate(threads * kDepth * kTileRow), transposed = allocate(threads * kTile * row);
  Buffer sums = allocate(p.groups * p.depth * row);
  std::fill_n(dbias, p.groups * p.outputs, 0.f);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (Int w = 0; w < work; w++) {
    const Int group = w / shares, share = w % shares, from = p.depth * share / shares, to = p.depth * (share + 1) / shares;
    float *my_columns = columns.get() + omp_get_thread_num() * kDepth * kTileRow;
    float *my_dy = transposed.get() + omp_get_thread_num() * kTile * row;
    float *my_sums = sums.get() + group * p.depth * row;
    std::fill(my_dy, my_dy + kTile * row, 0.f);
    std::fill(my_sums + from * row, my_sums + to * row, 0.f);
    for (Int t = 0; t < tiles.all; t++) {
      const Int n = tiles.image(t), first = tiles.first(t), last = tiles.last(t);
      for_each_image(p, first, last, [&](Int at, Int image, Int position, Int count) {
        transpose(p.outputs, count, dy + p.y_at(n + image, group) + position, p.positions, my_dy + at * row, row);
      });
      if (share == 0) add_rows(my_dy, last - first, row, p.outputs, dbias + group * p.outputs);
      for (Int k = from; k < to; k += kDepth) {
        const Int rows = std::min(kDepth, to - k);
        unfold(p, x + p.x_at(n, group), k, k + rows, first, last, my_columns);
        multiply_as(p.bfloat16, rows, row - kLanes, last - first, {my_columns, kTileRow, 1}, {my_dy, kPanel, row}, my_sums + k * row, row, true);
      }
    }
    transpose(to - from, p.outputs, my_sums + from * row, row, dweight + group * p.outputs * p.depth + from, p.depth);
  }
}

// ---- depthwise convolutions, with one channel per group

bool is_depthwise(const Problem &p) { return p.groups > 1 && p.channels == 1; }

Depthwise depthwise(const Problem &p) {
  return {p.images,            p.groups,   p.height,   p.width, p.outputs, p.kernel_h,   p.kernel_w,  p.out_h,
          p.out_w,             p.stride_h, p.stride_w, p.top,   p.left,    p.dilation_h, p.dilation_w};
}

void convolve(const Problem &p, const float *x, const float *weight, const Finish &finish, float *y) {
  is_depthwise(p) ? depthwise_forward(depthwise(p), x, weight, finish, y) : forward(p, x, weight, finish, y);
}

}  // namespace

// ---- MindSpore's interface: inputs, then outputs; a return value other than 0 becomes a RuntimeError --------------------------------

namespace {

// Indices of the parameters x, weight, y (or gradients of the same shapes) and geometry.
struct Order {
  int x, weight, y, geometry;
};

template <typename Pass>
int run(int count, int expected, const Order &order, void **params, const int *ndims, int64_t **shapes, const char **dtypes, Pass pass) {
  if (count != expected) return kBadCount;
  for (int i : {order.x, order.weight, order.y}) {
    if (std::strcmp(dtypes[i], "float32") != 0) return kBadType;
    if (ndims[i] != 4) return kBadShape;
  }
  if (std::strcmp(dtypes[order.geometry], "int64") != 0) return kBadType;
  if (ndims[order.geometry] != 1 || shapes[order.geometry][0] != 10) return kBadShape;
  Problem problem;
  const auto *geometry = static_cast<const int64_t *>(params[order.geometry]);
  const Failure failure = read_problem(shapes[order.x], shapes[order.weight], shapes[order.y], geometry, &problem);
  if (failure != kOk) return failure;
  try {
    pass(problem, [&](int i) { return static_cast<float *>(params[i]); });
  } catch (const std::bad_alloc &) {
    return kNoMemory;
  }
  return kOk;
}

}  // namespace

// Returns whether this CPU multiplies in bfloat16.
extern "C" int HasBfloat16() { return kHasBfloat16; }

// x, weight, bias, geometry -> y
extern "C" int Conv2d(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  return run(count, 5, {0, 1, 4, 3}, params, ndims, shapes, dtypes, [](const Problem &p, auto array) {
    convolve(p, array(0), array(1), {nullptr, array(2), nullptr, false}, array(4));
  });
}

// x, weight, the eight inputs of finish.h, geometry -> y
extern "C" int Conv2dFinished(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  if (count != 12 || !is_ending(params + 2, ndims + 2, shapes + 2, dtypes + 2, shapes[11])) return kBadShape;
  return run(count, 12, {0, 1, 11, 10}, params, ndims, shapes, dtypes, [&](const Problem &p, auto array) {
    const Ending ending(params + 2, shapes[11][1]);
    convolve(p, array(0), array(1), ending.finish, array(11));
  });
}

// x (for its shape), weight, dy, geometry -> dx
extern "C" int Conv2dData(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  return run(count, 5, {0, 1, 2, 3}, params, ndims, shapes, dtypes, [](const Problem &p, auto array) {
    if (is_depthwise(p)) {
      depthwise_data(depthwise(p), array(1), array(2), array(4));
    } else {
      backward_data(p, array(1), array(2), array(4));
    }
  });
}

// x, weight (for its shape), dy, geometry -> dweight, dbias
extern "C" int Conv2dWeight(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  return run(count, 6, {0, 1, 2, 3}, params, ndims, shapes, dtypes, [](const Problem &p, auto array) {
    if (is_depthwise(p)) {
      depthwise_weight(depthwise(p), array(0), array(2), array(4), array(5));
    } else {
      backward_weight(p, array(0), array(2), array(4), array(5));
    }
  });
}
