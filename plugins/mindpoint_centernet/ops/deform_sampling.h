// The shapes of a deformable convolution, and the unfolding of its input by bilinear interpolation; see deform_conv.cc.

#ifndef MINDPOINT_DEFORM_SAMPLING_H_
#define MINDPOINT_DEFORM_SAMPLING_H_

#include <omp.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#include "dense.h"

namespace {

constexpr Int kTileFloats = 128 * 1024;  // floats in a tile of columns; two tiles fit a usual second-level cache

// ---- geometry -----------------------------------------------------------------------------------------------------------------------

struct Problem {
  Int batch, channels, height, width, outputs, kernel_h, kernel_w, out_h, out_w, groups;
  Int stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;
  Int taps, positions, pixels;
  Int group_channels, group_row;  // channels of a deformable group, exact and padded to whole vectors
  Int pixel_row;                  // floats of one pixel: groups * group_row
  Int columns, padded_outputs;    // taps * pixel_row and outputs, padded to whole panels
  Int tile, tiles;                // output positions in a tile, and number of tiles of an image
  bool bfloat16;                  // round the factors of matrix products
};

enum Failure { kOk = 0, kBadCount, kBadType, kBadShape, kEmpty, kNoMemory, kNoBfloat16 };

// Reads the shapes of x, weight, offset [B,2*G*K,Ho,Wo] and mask [B,G*K,Ho,Wo]; g: see deform_conv.cc.
Failure read_problem(const int64_t *x, const int64_t *weight, const int64_t *offset, const int64_t *mask, const int64_t *g, Problem *out) {
  Problem p{};
  p.bfloat16 = g[6] != 0;
  if (p.bfloat16 && !kHasBfloat16) return kNoBfloat16;
  p.batch = x[0], p.channels = x[1], p.height = x[2], p.width = x[3];
  p.outputs = weight[0], p.kernel_h = weight[2], p.kernel_w = weight[3];
  p.out_h = offset[2], p.out_w = offset[3];
  p.taps = p.kernel_h * p.kernel_w;
  if (std::min({p.batch, p.channels, p.height, p.width, p.outputs, p.taps, p.out_h, p.out_w}) <= 0) return kEmpty;
  p.stride_h = g[0], p.stride_w = g[1], p.padding_h = g[2], p.padding_w = g[3], p.dilation_h = g[4], p.dilation_w = g[5];
  p.groups = mask[1] / p.taps;
  const bool same_maps = offset[0] == p.batch && mask[0] == p.batch && mask[2] == p.out_h && mask[3] == p.out_w;
  const bool positive = std::min({p.groups, p.stride_h, p.stride_w, p.dilation_h, p.dilation_w}) > 0;
  if (!same_maps || !positive || mask[1] != p.groups * p.taps || offset[1] != 2 * mask[1] || p.channels % p.groups != 0 ||
      weight[1] != p.channels ||
      p.out_h != (p.height + 2 * p.padding_h - p.dilation_h * (p.kernel_h - 1) - 1) / p.stride_h + 1 ||
      p.out_w != (p.width + 2 * p.padding_w - p.dilation_w * (p.kernel_w - 1) - 1) / p.stride_w + 1) {
    return kBadShape;
  }
  p.positions = p.out_h * p.out_w, p.pixels = p.height * p.width;
  p.group_channels = p.channels / p.groups;
  p.group_row = round_up(p.group_channels, kLanes);
  p.pixel_row = p.groups * p.group_row;
  p.columns = round_up(p.taps * p.pixel_row, kPanel);
  p.padded_outputs = round_up(p.outputs, kPanel);
  const Int share = (p.positions + omp_get_max_threads() - 1) / omp_get_max_threads();
  p.tile = std::max<Int>(1, std::min({kTileFloats / p.columns, share, 8 * Int{kRows}}));
  if (p.tile > kRows) p.tile -= p.tile % kRows;
  p.tiles = (p.positions + p.tile - 1) / p.tile;
  *out = p;
  return kOk;
}

// ---- layouts ------------------------------------------------------------------------------------------------------------------------

// Returns the index of channel c of tap k in a row of the columns.
Int column_of(const Problem &p, Int k, Int c) {
  return k * p.pixel_row + c / p.group_channels * p.group_row + c % p.group_channels;
}

constexpr Int kBlock = 64;  // pixels that are transposed together

// Transposes an image [C,H*W] to [H*W,pixel_row]; called by all threads of a team.
void pack_image(const Problem &p, const float *image, float *packed) {
#pragma omp for schedule(static)
  for (Int first = 0; first < p.pixels; first += kBlock) {
    const Int count = std::min(kBlock, p.pixels - first);
    float *to = packed + first * p.pixel_row;
    if (p.group_row != p.group_channels) std::memset(to, 0, count * p.pixel_row * sizeof(float));
    for (Int g = 0; g < p.groups; g++) {
      transpose(p.group_channels, count, image + g * p.group_channels * p.pixels + first, p.pixels, to + g * p.group_row, p.pixel_row);
    }
  }
}

// ---- sampling -----------------------------------------------------------------------------------------------------------------------

// A sampled position, with its four corners: top left, top right, bottom left, bottom right.
struct Sample {
  Int corner[4];      // indices in the packed image; corners outside of the map are moved into it
  float valid[4];     // 1 for corners inside of the map, else 0
  float down, right;  // distances from the top left corner, 0..1
  float mask;
  bool inside;  // the position contributes; if not, the other values are undefined
};

// Computes the samples of positions first..last-1. `offset` belongs to the whole image. `mask` begins at position `first`; its channels are
// `mask_row` floats apart.
void locate(const Problem &p, const float *offset, const float *mask, Int mask_row, Int first, Int last, Sample *samples) {
  for (Int q = first; q < last; q++) {
    const float base_y = q / p.out_w * p.stride_h - p.padding_h, base_x = q % p.out_w * p.stride_w - p.padding_w;
    for (Int k = 0, i = 0, j = 0; k < p.taps; k++, j + 1 < p.kernel_w ? j++ : (i++, j = 0)) {
      for (Int g = 0; g < p.groups; g++, samples++) {
        const Int channel = g * p.taps + k;
        const float y = base_y + i * p.dilation_h + offset[2 * channel * p.positions + q];
        const float x = base_x + j * p.dilation_w + offset[(2 * channel + 1) * p.positions + q];
        samples->inside = y > -1 && x > -1 && y < p.height && x < p.width;
        if (!samples->inside) continue;
        const float floor_y = std::floor(y), floor_x = std::floor(x);
        const Int top = static_cast<Int>(floor_y), left = static_cast<Int>(floor_x);
        const float has_top = top >= 0, has_bottom = top + 1 < p.height, has_left = left >= 0, has_right = left + 1 < p.width;
        const Int y0 = std::max<Int>(top, 0) * p.width, y1 = std::min(top + 1, p.height - 1) * p.width;
        const Int x0 = std::max<Int>(left, 0), x1 = std::min(left + 1, p.width - 1);
        const Int shift = g * p.group_row;
        samples->corner[0] = (y0 + x0) * p.pixel_row + shift, samples->valid[0] = has_top * has_left;
        samples->corner[1] = (y0 + x1) * p.pixel_row + shift, samples->valid[1] = has_top * has_right;
        samples->corner[2] = (y1 + x0) * p.pixel_row + shift, samples->valid[2] = has_bottom * has_left;
        samples->corner[3] = (y1 + x1) * p.pixel_row + shift, samples->valid[3] = has_bottom * has_right;
        samples->down = y - floor_y, samples->right = x - floor_x;
        samples->mask = mask[channel * mask_row + q - first];
      }
    }
  }
}

void bilinear_weights(const Sample &s, float *w) {
  w[0] = (1 - s.down) * (1 - s.right) * s.valid[0], w[1] = (1 - s.down) * s.right * s.valid[1];
  w[2] = s.down * (1 - s.right) * s.valid[2], w[3] = s.down * s.right * s.valid[3];
}

// Computes columns[position][tap][group][channel] = mask * interpolated value.
void unfold(const Problem &p, const float *packed, Int count, const Sample *samples, float *columns) {
  const Int used = p.taps * p.pixel_row;
  for (Int q = 0; q < count; q++) {
    float *to = columns + q * p.columns;
    for (Int i = used; i < p.columns; i++) to[i] = 0;
    for (Int t = 0; t < p.taps * p.groups; t++, samples++, to += p.group_row) {
      const Sample &s = *samples;
      if (!s.inside) {
        std::memset(to, 0, p.group_row * sizeof(float));
        continue;
      }
      float w[4];
      bilinear_weights(s, w);
      for (float &value : w) value *= s.mask;
      const float *c0 = packed + s.corner[0], *c1 = packed + s.corner[1], *c2 = packed + s.corner[2], *c3 = packed + s.corner[3];
      for (Int i = 0; i < p.group_row; i += kLanes) {
        store(to + i, w[0] * load(c0 + i) + w[1] * load(c1 + i) + w[2] * load(c2 + i) + w[3] * load(c3 + i));
      }
    }
  }
}

// Computes gradients from the columns' gradient: adds the image's, by the transpose of unfold, and writes those of offset and mask.
void fold_gradient(const Problem &p, const float *packed, Int first, Int last, const Sample *samples, const float *columns,
                   float *image_gradient, float *offset_gradient, float *mask_gradient) {
  for (Int q = first; q < last; q++) {
    const float *from = columns + (q - first) * p.columns;
    for (Int k = 0; k < p.taps; k++) {
      for (Int g = 0; g < p.groups; g++, samples++, from += p.group_row) {
        const Sample &s = *samples;
        float by_mask = 0, by_y = 0, by_x = 0;
        if (s.inside) {
          float w[4];
          bilinear_weights(s, w);
          const float *value[4];
          float *to[4];
          for (int corner = 0; corner < 4; corner++) {
            value[corner] = packed + s.corner[corner], to[corner] = image_gradient + s.corner[corner];
            w[corner] *= s.mask;
          }
          Vec dot[4] = {};
          for (Int i = 0; i < p.group_row; i += kLanes) {
            const Vec gradient = load(from + i);
#pragma GCC unroll 4
            for (int corner = 0; corner < 4; corner++) {  // corners may be the same pixel
              dot[corner] += gradient * load(value[corner] + i);
              store(to[corner] + i, load(to[corner] + i) + w[corner] * gradient);
            }
          }
          for (int corner = 0; corner < 4; corner++) dot[corner] *= s.valid[corner];
          by_mask = sum((1 - s.down) * ((1 - s.right) * dot[0] + s.right * dot[1]) + s.down * ((1 - s.right) * dot[2] + s.right * dot[3]));
          by_y = s.mask * sum((1 - s.right) * (dot[2] - dot[0]) + s.right * (dot[3] - dot[1]));
          by_x = s.mask * sum((1 - s.down) * (dot[1] - dot[0]) + s.down * (dot[3] - dot[2]));
        }
        const Int channel = g * p.taps + k;
        offset_gradient[2 * channel * p.positions + q] = by_y;
        offset_gradient[(2 * channel + 1) * p.positions + q] = by_x;
        mask_gradient[channel * p.positions + q] = by_mask;
      }
    }
  }
}

}  // namespace

#endif  // MINDPOINT_DEFORM_SAMPLING_H_
