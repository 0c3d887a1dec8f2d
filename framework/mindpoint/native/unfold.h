// The shapes of a convolution, and the unfolding of its input in tiles; see conv2d.cc.

#ifndef MINDPOINT_UNFOLD_H_
#define MINDPOINT_UNFOLD_H_

#include <cstdint>

#include "dense.h"

namespace {

constexpr Int kDepth = 256;               // maximum number of rows of the columns that are unfolded and multiplied at a time
constexpr Int kTile = 256;                // maximum number of output positions in a tile; a multiple of kPanel
constexpr Int kTileRow = kTile + kLanes;  // stride of a tile's rows: an odd number of vectors spreads them over all cache sets

struct Problem {
  Int groups, images, channels, height, width, outputs, kernel_h, kernel_w, out_h, out_w;
  Int stride_h, stride_w, top, left, dilation_h, dilation_w;
  Int taps, depth;        // kh * kw, and the number of rows of the columns: channels * taps
  Int pixels, positions;  // of an input map and an output map
  Int next_x, next_y;     // strides from image to image in x and y
  bool bfloat16;          // round the factors of matrix products

  Int x_at(Int n, Int group) const { return n * next_x + group * channels * pixels; }  // index of an image's first map of a group
  Int y_at(Int n, Int group) const { return n * next_y + group * outputs * positions; }
};

enum Failure { kOk = 0, kBadCount, kBadType, kBadShape, kEmpty, kNoMemory, kNoBfloat16 };

Failure read_problem(const int64_t *x, const int64_t *weight, const int64_t *y, const int64_t *g, Problem *out) {
  Problem p{};
  p.groups = g[8], p.bfloat16 = g[9] != 0;
  if (p.bfloat16 && !kHasBfloat16) return kNoBfloat16;
  if (p.groups < 1 || x[1] % p.groups != 0 || weight[0] % p.groups != 0) return kBadShape;
  p.images = x[0], p.channels = x[1] / p.groups, p.height = x[2], p.width = x[3];
  p.outputs = weight[0] / p.groups, p.kernel_h = weight[2], p.kernel_w = weight[3];
  p.out_h = y[2], p.out_w = y[3];
  p.stride_h = g[0], p.stride_w = g[1], p.top = g[2], p.left = g[4], p.dilation_h = g[6], p.dilation_w = g[7];
  p.taps = p.kernel_h * p.kernel_w, p.depth = p.channels * p.taps;
  p.pixels = p.height * p.width, p.positions = p.out_h * p.out_w;
  if (std::min({p.images, p.depth, p.pixels, p.outputs, p.positions}) <= 0) return kEmpty;
  const bool positive = std::min({p.stride_h, p.stride_w, p.dilation_h, p.dilation_w}) > 0;
  if (!positive || y[0] != x[0] || y[1] != weight[0] || weight[1] != p.channels ||
      p.out_h != (p.height + g[2] + g[3] - p.dilation_h * (p.kernel_h - 1) - 1) / p.stride_h + 1 ||
      p.out_w != (p.width + g[4] + g[5] - p.dilation_w * (p.kernel_w - 1) - 1) / p.stride_w + 1) {
    return kBadShape;
  }
  p.next_x = p.groups * p.channels * p.pixels, p.next_y = p.groups * p.outputs * p.positions;
  *out = p;
  return kOk;
}

// Divides the images into stacks, and the positions of each stack into tiles of at most `tile` positions. A stack of several images has one
// tile.
struct Tiles {
  Int stack, stacks, tile, of_stack, all, positions, images;

  Tiles(const Problem &p, Int most) : positions(p.positions), images(p.images) {
    stack = std::max<Int>(1, std::min(most / positions, images));
    stacks = (images + stack - 1) / stack;
    tile = std::min(most, stack * positions);
    of_stack = stack > 1 ? 1 : (positions + tile - 1) / tile;
    all = stacks * of_stack;
  }
  Int image(Int t) const { return t / of_stack * stack; }
  Int first(Int t) const { return t % of_stack * tile; }  // counted from the stack's first image
  Int last(Int t) const { return std::min({first(t) + tile, stack * positions, (images - image(t)) * positions}); }
};

// For the positions first..last-1 of a stack, calls visit(index from first on, image, first position in the image, count) per image.
template <typename Visit>
void for_each_image(const Problem &p, Int first, Int last, Visit visit) {
  for (Int q = first; q < last;) {
    const Int image = q / p.positions, position = q - image * p.positions, count = std::min(p.positions - position, last - q);
    visit(q - first, image, position, count);
    q += count;
  }
}

// Divides the positions first..last-1 of a stack into runs, each within one output row. For each row k in k0..k1-1 of the columns and each
// run, calls visit(k, index of the run from first on, count, from, to, pixel). Positions from..to-1 of the run are inside the input; the
// first of these reads `pixel`, counted from the stack's first image.
template <typename Visit>
void for_each_run(const Problem &p, Int k0, Int k1, Int first, Int last, Visit visit) {
  for (Int tap = 0; tap < p.taps; tap++) {
    const Int down = tap / p.kernel_w * p.dilation_h - p.top, right = tap % p.kernel_w * p.dilation_w - p.left;
    const Int begin = right >= 0 ? 0 : (-right + p.stride_w - 1) / p.stride_w;
    const Int room = p.width - right;  // output column * stride must be less
    const Int end = room <= 0 ? 0 : (room + p.stride_w - 1) / p.stride_w;
    const Int channel = (k0 - tap + p.taps - 1) / p.taps;  // the first channel whose row of this tap is at least k0
    for (Int q = first; q < last;) {
      const Int row = q / p.out_w, column = q - row * p.out_w, count = std::min(p.out_w - column, last - q), image = row / p.out_h;
      const Int y = (row - image * p.out_h) * p.stride_h + down;
      const bool inside = y >= 0 && y < p.height;
      const Int from = inside ? std::min(std::max(begin - column, Int{0}), count) : count;
      const Int to = inside ? std::max(std::min(end - column, count), from) : count;
      Int pixel = image * p.next_x + channel * p.pixels + y * p.width + (column + from) * p.stride_w + right;
      for (Int k = channel * p.taps + tap; k < k1; k += p.taps, pixel += p.pixels) visit(k, q - first, count, from, to, pixel);
      q += count;
    }
  }
}

void copy(const float *from, Int count, float *to) {
  Int i = 0;
  for (; i + kLanes <= count; i += kLanes) store(to + i, load(from + i));
  for (; i < count; i++) to[i] = from[i];
}

// Writes rows k0..k1-1 of a stack's columns, at positions first..last-1, to columns [rows][kTileRow], with zeros up to a whole panel.
void unfold(const Problem &p, const float *images, Int k0, Int k1, Int first, Int last, float *columns) {
  for_each_run(p, k0, k1, first, last, [&](Int k, Int at, Int count, Int from, Int to, Int pixel) {
    float *run = columns + (k - k0) * kTileRow + at;
    std::fill(run, run + from, 0.f);
    if (p.stride_w == 1) {
      copy(images + pixel, to - from, run + from);
    } else if (p.stride_w == 2) {  // compilers vectorise a constant stride
      for (Int i = 0; i < to - from; i++) run[from + i] = images[pixel + 2 * i];
    } else {
      for (Int i = 0; i < to - from; i++) run[from + i] = images[pixel + i * p.stride_w];
    }
    std::fill(run + to, run + count, 0.f);
  });
  const Int padded = round_up(last - first, kPanel);
  for (Int k = k0; k < k1; k++, columns += kTileRow) std::fill(columns + last - first, columns + padded, 0.f);
}

// The transpose of unfold: adds the columns to the pixels of a stack of images.
void fold(const Problem &p, const float *columns, Int k0, Int k1, Int first, Int last, float *images) {
  for_each_run(p, k0, k1, first, last, [&](Int k, Int at, Int, Int from, Int to, Int pixel) {
    const float *run = columns + (k - k0) * kTileRow + at + from;
    float *target = images + pixel;
    Int i = 0;
    if (p.stride_w == 1) {
      for (; i + kLanes <= to - from; i += kLanes) store(target + i, load(target + i) + load(run + i));
    }
    for (; i < to - from; i++) target[i * p.stride_w] += run[i];
  });
}

// Copies all outputs of a stack at positions first..last-1 to tile [outputs][kTileRow], with zeros up to a whole panel.
void gather(const Problem &p, const float *y, Int first, Int last, float *tile) {
  const Int padded = round_up(last - first, kPanel);
  for (Int o = 0; o < p.outputs; o++, tile += kTileRow) {
    for_each_image(p, first, last, [&](Int at, Int image, Int position, Int count) {
      copy(y + image * p.next_y + o * p.positions + position, count, tile + at);
    });
    std::fill(tile + last - first, tile + padded, 0.f);
  }
}

// Computes the sum of `count` rows, each padded to whole vectors, and adds it to total [width].
void add_rows(const float *rows, Int count, Int row, Int width, float *total) {
  for (Int i = 0; i < width; i += kLanes) {
    Vec part{};
    for (Int q = 0; q < count; q++) part += load(rows + q * row + i);
    for (Int lane = 0; lane < std::min<Int>(kLanes, width - i); lane++) total[i + lane] += part[lane];
  }
}

}  // namespace

#endif  // MINDPOINT_UNFOLD_H_
