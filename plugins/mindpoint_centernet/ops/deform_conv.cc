// MindSpore custom operators for CPUs: deformable convolution, version 2 (Zhu et al., 2019, https://arxiv.org/abs/1811.11168), and its
// gradient.
//
// x [B,C,H,W], offset [B,2*G*K,Ho,Wo] with channels dy, dx for each tap in turn, mask [B,G*K,Ho,Wo], weight [O,C,kh,kw] and bias [O] are
// float32. geometry is seven int64: stride, padding and dilation, each vertical then horizontal, and 1 to round the factors of matrix products
// to bfloat16, else 0. G deformable groups, K = kh*kw taps.
//
// Both passes compute the unfolded input, the "columns", for one small tile of output positions at a time, which stays in the thread's
// cache. Channels are innermost and padded to whole vectors, so that sampling a position reads four contiguous rows. In the backward pass,
// each thread adds to its own buffers, which are then summed in a fixed order. The gradients therefore depend on the number of threads, but
// not on timing.

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "deform_sampling.h"
#include "dense.h"
#include "finish.h"

namespace {

// Offsets and masks. If `steered`, both are parts of one map of 3 * G * K channels, with masks before the sigmoid.
struct Steering {
  const float *offset, *mask;
  bool steered;
};

void sigmoid(const float *from, Int count, float *to) {
  for (Int i = 0; i < count; i++) to[i] = 1 / (1 + std::exp(-from[i]));
}

// Writes the weights to panels [outputs/kPanel][columns][kPanel]; called by all threads of a team.
void pack_weights(const Problem &p, const float *weight, float *panels) {
  Buffer rows = allocate(p.channels * p.taps * kLanes);
#pragma omp for schedule(static) nowait
  for (Int first = 0; first < p.padded_outputs; first += kLanes) {
    float *to = panels + first / kPanel * p.columns * kPanel + first % kPanel;
    const Int outputs = std::max<Int>(0, std::min<Int>(kLanes, p.outputs - first));
    for (Int column = 0; column < p.columns; column++) store(to + column * kPanel, Vec{});
    std::fill_n(rows.get(), p.channels * p.taps * kLanes, 0.f);
    transpose(outputs, p.channels * p.taps, weight + first * p.channels * p.taps, p.channels * p.taps, rows.get(), kLanes);
    for (Int c = 0; c < p.channels; c++) {
      for (Int k = 0; k < p.taps; k++) store(to + column_of(p, k, c) * kPanel, load(rows.get() + (c * p.taps + k) * kLanes));
    }
  }
}

void forward(const Problem &p, const float *x, const Steering &steering, const float *weight, const Finish &finish, float *y) {
  const Int threads = std::min<Int>(omp_get_max_threads(), p.tiles), masks = p.groups * p.taps;
  const Int image_maps = (steering.steered ? 3 : 2) * masks * p.positions, image_masks = steering.steered ? image_maps : masks * p.positions;
  Buffer image = allocate(p.pixels * p.pixel_row), panels = allocate(p.columns * p.padded_outputs);
  Buffer columns = allocate(threads * p.tile * p.columns), results = allocate(2 * threads * p.tile * p.padded_outputs);
  Buffer factors = allocate(threads * masks * p.tile);
  std::vector<Sample> samples(threads * p.tile * p.taps * p.groups);
#pragma omp parallel num_threads(threads)
  {
    const Int me = omp_get_thread_num();
    float *my_columns = columns.get() + me * p.tile * p.columns, *my_results = results.get() + 2 * me * p.tile * p.padded_outputs;
    float *my_maps = my_results + p.tile * p.padded_outputs, *my_factors = factors.get() + me * masks * p.tile;
    Sample *my_samples = samples.data() + me * p.tile * p.taps * p.groups;
    pack_weights(p, weight, panels.get());
    for (Int n = 0; n < p.batch; n++) {
      pack_image(p, x + n * p.channels * p.pixels, image.get());  // ends with a barrier
#pragma omp for schedule(dynamic)
      for (Int t = 0; t < p.tiles; t++) {
        const Int first = t * p.tile, last = std::min(first + p.tile, p.positions), count = last - first;
        for (Int k = 0; k < masks; k++) {
          const float *mask = steering.mask + n * image_masks + k * p.positions + first;
          steering.steered ? sigmoid(mask, count, my_factors + k * p.tile) : void(std::copy_n(mask, count, my_factors + k * p.tile));
        }
        locate(p, steering.offset + n * image_maps, my_factors, p.tile, first, last, my_samples);
        unfold(p, image.get(), count, my_samples, my_columns);
        multiply_as(p.bfloat16, count, p.padded_outputs, p.columns, {my_columns, p.columns, 1}, {panels.get(), p.columns * kPanel, kPanel}, my_results,
                 p.padded_outputs, false);
        transpose(count, p.outputs, my_results, p.padded_outputs, my_maps, p.tile);
        for (Int o = 0; o < p.outputs; o++) finish(my_maps + o * p.tile, o, (n * p.outputs + o) * p.positions + first, count, y);
      }
    }
  }
}

void backward(const Problem &p, void **params) {
  const float *x = static_cast<float *>(params[0]), *offset = static_cast<float *>(params[1]), *mask = static_cast<float *>(params[2]);
  const float *weight = static_cast<float *>(params[3]), *dy = static_cast<float *>(params[6]);
  float *dx = static_cast<float *>(params[7]), *doffset = static_cast<float *>(params[8]), *dmask = static_cast<float *>(params[9]);
  float *dweight = static_cast<float *>(params[10]), *dbias = static_cast<float *>(params[11]);
  const Int threads = std::min<Int>(omp_get_max_threads(), p.tiles), image_floats = p.pixels * p.pixel_row;
  const Int weight_floats = p.outputs * p.columns;
  Buffer image = allocate(image_floats), panels = allocate(weight_floats);
  Buffer columns = allocate(threads * p.tile * p.columns), column_gradients = allocate(threads * p.tile * p.columns);
  Buffer dys = allocate(threads * p.tile * p.outputs);
  Buffer image_gradients = allocate(threads * image_floats), weight_gradients = allocate(threads * weight_floats);
  Buffer bias_gradients = allocate(threads * p.outputs);
  std::vector<Sample> samples(threads * p.tile * p.taps * p.groups);
#pragma omp parallel num_threads(threads)
  {
    const Int me = omp_get_thread_num(), team = omp_get_num_threads();
    float *my_columns = columns.get() + me * p.tile * p.columns, *my_gradients = column_gradients.get() + me * p.tile * p.columns;
    float *my_dy = dys.get() + me * p.tile * p.outputs, *my_dx = image_gradients.get() + me * image_floats;
    float *my_dweight = weight_gradients.get() + me * weight_floats, *my_dbias = bias_gradients.get() + me * p.outputs;
    Sample *my_samples = samples.data() + me * p.tile * p.taps * p.groups;
    std::fill_n(my_dweight, weight_floats, 0.f);
    std::fill_n(my_dbias, p.outputs, 0.f);
#pragma omp for schedule(static) nowait
    for (Int o = 0; o < p.outputs; o++) {  // weight -> [columns/kPanel][outputs][kPanel]
      for (Int c = 0; c < p.columns; c++) panels[(c / kPanel * p.outputs + o) * kPanel + c % kPanel] = 0;
      for (Int c = 0; c < p.channels; c++) {
        for (Int k = 0; k < p.taps; k++) {
          const Int column = column_of(p, k, c);
          panels[(column / kPanel * p.outputs + o) * kPanel + column % kPanel] = weight[(o * p.channels + c) * p.taps + k];
        }
      }
    }
    for (Int n = 0; n < p.batch; n++) {
      pack_image(p, x + n * p.channels * p.pixels, image.get());
      std::fill_n(my_dx, image_floats, 0.f);
      const Int offset_start = n * 2 * p.groups * p.taps * p.positions, mask_start = offset_start / 2;
#pragma omp for schedule(static)
      for (Int t = 0; t < p.tiles; t++) {
        const Int first = t * p.tile, last = std::min(first + p.tile, p.positions), count = last - first;
        for (Int o = 0; o < p.outputs; o++) {
          const float *from = dy + (n * p.outputs + o) * p.positions + first;
          float total = 0;
          for (Int q = 0; q < count; q++) total += my_dy[o * p.tile + q] = from[q];
          my_dbias[o] += total;
        }
        locate(p, offset + offset_start, mask + mask_start + first, p.positions, first, last, my_samples);
        unfold(p, image.get(), count, my_samples, my_columns);
        multiply_as(p.bfloat16, p.outputs, p.columns, count, {my_dy, p.tile, 1}, {my_columns, kPanel, p.columns}, my_dweight, p.columns, true);
        multiply_as(p.bfloat16, count, p.columns, p.outputs, {my_dy, 1, p.tile}, {panels.get(), p.outputs * kPanel, kPanel}, my_gradients, p.columns,
                 false);
        fold_gradient(p, image.get(), first, last, my_samples, my_gradients, my_dx, doffset + offset_start, dmask + mask_start);
      }
#pragma omp for schedule(static)
      for (Int first = 0; first < p.pixels; first += kBlock) {
        const Int count = std::min(kBlock, p.pixels - first);
        float *mine = image_gradients.get() + first * p.pixel_row;
        for (Int other = 1; other < team; other++) {
          const float *theirs = mine + other * image_floats;
          for (Int i = 0; i < count * p.pixel_row; i++) mine[i] += theirs[i];
        }
        for (Int g = 0; g < p.groups; g++) {
          float *to = dx + (n * p.channels + g * p.group_channels) * p.pixels + first;
          transpose(count, p.group_channels, mine + g * p.group_row, p.pixel_row, to, p.pixels);
        }
      }
    }
#pragma omp for schedule(static)
    for (Int o = 0; o < p.outputs; o++) {
      float *total = weight_gradients.get() + o * p.columns;
      dbias[o] = bias_gradients[o];
      for (Int other = 1; other < team; other++) {
        const float *theirs = total + other * weight_floats;
        for (Int i = 0; i < p.columns; i++) total[i] += theirs[i];
        dbias[o] += bias_gradients[other * p.outputs + o];
      }
      for (Int c = 0; c < p.channels; c++) {
        for (Int k = 0; k < p.taps; k++) dweight[(o * p.channels + c) * p.taps + k] = total[column_of(p, k, c)];
      }
    }
  }
}

// Checks parameters and runs a pass. Parameters begin with x, then offset and mask (`maps` = 2) or both as one map (1), then the weight;
// `geometry` is the index of the geometry.
template <typename Pass>
int run(void **params, const int *ndims, int64_t **shapes, const char **dtypes, int maps, int geometry, Pass pass) {
  for (int i = 0; i < maps + 2; i++) {
    if (std::strcmp(dtypes[i], "float32") != 0) return kBadType;
    if (ndims[i] != 4) return kBadShape;
  }
  if (std::strcmp(dtypes[geometry], "int64") != 0) return kBadType;
  if (ndims[geometry] != 1 || shapes[geometry][0] != 7) return kBadShape;
  int64_t offset[4], mask[4];
  std::copy_n(shapes[1], 4, offset);
  std::copy_n(shapes[maps], 4, mask);
  if (maps == 1) mask[1] = offset[1] / 3, offset[1] -= mask[1];
  Problem problem;
  const auto *numbers = static_cast<const int64_t *>(params[geometry]);
  const Failure failure = read_problem(shapes[0], shapes[maps + 1], offset, mask, numbers, &problem);
  if (failure != kOk) return failure;
  try {
    pass(problem, [&](int i) { return static_cast<float *>(params[i]); });
  } catch (const std::bad_alloc &) {
    return kNoMemory;
  }
  return kOk;
}

bool is_bias(const int *ndims, int64_t **shapes, const char **dtypes) {
  return ndims[4] == 1 && shapes[4][0] == shapes[3][0] && std::strcmp(dtypes[4], "float32") == 0;
}

}  // namespace

// ---- MindSpore's interface: inputs, then outputs; a return value other than 0 becomes a RuntimeError --------------------------------

// x, offset, mask, weight, bias, geometry -> y
extern "C" int DeformConv(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  if (count != 7) return kBadCount;
  if (!is_bias(ndims, shapes, dtypes)) return kBadShape;
  return run(params, ndims, shapes, dtypes, 2, 5, [](const Problem &p, auto array) {
    forward(p, array(0), {array(1), array(2), false}, array(3), {nullptr, array(4), nullptr, false}, array(6));
  });
}

extern "C" std::vector<int64_t> DeformConvInferShape(int *, int64_t **shapes, void *) {
  return {shapes[0][0], shapes[3][0], shapes[1][2], shapes[1][3]};
}

// x, offsets and masks as one map, weight, the eight inputs of finish.h, geometry -> y
extern "C" int DeformConvFinished(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  if (count != 13) return kBadCount;
  if (!is_ending(params + 3, ndims + 3, shapes + 3, dtypes + 3, shapes[12])) return kBadShape;
  return run(params, ndims, shapes, dtypes, 1, 11, [&](const Problem &p, auto array) {
    const Ending ending(params + 3, p.outputs);
    const Steering steering{array(1), array(1) + 2 * p.groups * p.taps * p.positions, true};
    forward(p, array(0), steering, array(2), ending.finish, array(12));
  });
}

extern "C" std::vector<int64_t> DeformConvFinishedInferShape(int *, int64_t **shapes, void *) {
  return {shapes[0][0], shapes[2][0], shapes[1][2], shapes[1][3]};
}

// x, offset, mask, weight, bias, geometry, dy -> gradients of x, offset, mask, weight, bias
extern "C" int DeformConvGrad(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  if (count != 12) return kBadCount;
  if (!is_bias(ndims, shapes, dtypes)) return kBadShape;
  return run(params, ndims, shapes, dtypes, 2, 5, [&](const Problem &p, auto) { backward(p, params); });
}

extern "C" std::vector<std::vector<int64_t>> DeformConvGradInferShape(int *ndims, int64_t **shapes, void *) {
  std::vector<std::vector<int64_t>> result;
  for (int i = 0; i < 5; i++) result.emplace_back(shapes[i], shapes[i] + ndims[i]);
  return result;
}
