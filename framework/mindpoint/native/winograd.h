// 3x3 convolutions of stride 1 by Winograd's method F(4x4, 3x3): a tile of 4x4 outputs needs 36 multiplications for each pair of input and
// output channels instead of 144. See Lavin and Gray, 2015, https://arxiv.org/abs/1509.09308. The interpolation points are 0, +-1/sqrt(2),
// +-sqrt(2) and infinity, whose rounding errors are smaller than those of 0, +-1, +-2 and infinity.
//
// For each tile d of 6x6 input pixels, which overlaps its neighbours by two pixels: y = A' (sum over channels of (G g G') * (B' d B)) A,
// where g is the 3x3 kernel, ' is the transpose, and * is elementwise. For each of the 36 elements, or "places", that sum is one matrix
// product: [tiles, channels] times [channels, outputs]. Channels and outputs are innermost, so that all transformations use whole vectors
// for maps of any size.

#ifndef MINDPOINT_WINOGRAD_H_
#define MINDPOINT_WINOGRAD_H_

#include <omp.h>

#include "dense.h"
#include "finish.h"

namespace {

constexpr int kSide = 6, kStep = 4, kPlaces = kSide * kSide;  // of a tile: input pixels per side, output pixels per side, places
constexpr Int kRun = 16;                                      // maximum number of adjacent tiles that are transformed together
constexpr Int kBlockOfTiles = 4 * kRows;                      // tiles that are multiplied together: products fit the second-level cache
constexpr Int kScratch = (kSide * (kStep * kRun + 2) + kStep * kRun) * kLanes;
constexpr float kRoot = 1.41421356f;

struct Winograd {
  Int images, channels, height, width, outputs, out_h, out_w, top, left;
  bool bfloat16;

  Int across() const { return (out_w + kStep - 1) / kStep; }
  Int tiles() const { return across() * ((out_h + kStep - 1) / kStep); }
  Int row() const { return round_up(channels, kLanes); }  // channels, padded to whole vectors
  Int panels() const { return (outputs + kPanel - 1) / kPanel; }
};

struct Weights {  // 3x3 kernels
  const float *data;
  Int output, channel;  // strides in floats
  bool turned;          // use the kernels rotated by 180 degrees
};

// Each of these multiplies a column by G, B' or A'. `step` is the stride of the column, `to_step` that of the result.

inline void transform_weight(const Vec *g, Int step, Vec *to, Int to_step) {
  const Vec g0 = g[0], g1 = g[step], g2 = g[2 * step];
  const Vec even = (2 * g0 + g2) * (-1 / 3.f), odd = g1 * (-kRoot / 3), wide = (g0 + 2 * g2) * (1 / 6.f), wide_odd = g1 * (kRoot / 6);
  to[0] = g0, to[to_step] = even + odd, to[2 * to_step] = even - odd;
  to[3 * to_step] = wide + wide_odd, to[4 * to_step] = wide - wide_odd, to[5 * to_step] = g2;
}

inline void transform_input(const float *d, Int step, float *to, Int to_step) {
  const Vec d0 = load(d), d1 = load(d + step), d2 = load(d + 2 * step), d3 = load(d + 3 * step), d4 = load(d + 4 * step);
  const Vec d5 = load(d + 5 * step);
  const Vec even = d4 - 2 * d2, odd = kRoot * (0.5f * d3 - d1), wide = d4 - 0.5f * d2, wide_odd = kRoot * (d3 - 0.5f * d1);
  store(to, d0 - 2.5f * d2 + d4);
  store(to + to_step, even + odd);
  store(to + 2 * to_step, even - odd);
  store(to + 3 * to_step, wide + wide_odd);
  store(to + 4 * to_step, wide - wide_odd);
  store(to + 5 * to_step, d1 - 2.5f * d3 + d5);
}

inline void transform_output(const float *m, Int step, float *to, Int to_step) {
  const Vec m0 = load(m), m1 = load(m + step), m2 = load(m + 2 * step), m3 = load(m + 3 * step), m4 = load(m + 4 * step);
  const Vec m5 = load(m + 5 * step);
  const Vec even = m1 + m2, odd = kRoot * (m1 - m2), wide = m3 + m4, wide_odd = kRoot * (m3 - m4);
  store(to, m0 + even + wide);
  store(to + to_step, 0.5f * odd + wide_odd);
  store(to + 2 * to_step, 0.5f * even + 2 * wide);
  store(to + 3 * to_step, 0.25f * odd + 2 * wide_odd + m5);
}

// Transforms the weights of one panel of outputs into [places][row][kPanel]; `place` is the stride from place to place.
void transform_weights(const Winograd &p, const Weights &w, Int panel, float *to, Int place) {
  Vec taps[9 * kLanes], rows[3 * kSide], all[kPlaces];
  for (Int c0 = 0; c0 < p.row(); c0 += kLanes) {
    const Int channels = std::min<Int>(kLanes, p.channels - c0);
    for (Int o = 0; o < kPanel; o += kLanes) {
      const Int first = panel * kPanel + o, outputs = std::max<Int>(0, std::min<Int>(kLanes, p.outputs - first));
      const float *from = w.data + first * w.output + c0 * w.channel;
      std::fill_n(taps, 9 * kLanes, Vec{});
      if (w.channel == 9) {
        transpose(outputs, 9 * channels, from, w.output, reinterpret_cast<float *>(taps), kLanes);
      } else {
        for (Int c = 0; c < channels; c++) transpose(outputs, 9, from + c * w.channel, w.output, reinterpret_cast<float *>(taps + 9 * c), kLanes);
      }
      for (Int c = 0; c < kLanes; c++) {
        if (w.turned) std::reverse(taps + 9 * c, taps + 9 * (c + 1));
        for (int j = 0; j < 3; j++) transform_weight(taps + 9 * c + j, 3, rows + j, 3);
        for (int i = 0; i < kSide; i++) transform_weight(rows + 3 * i, 1, all + i * kSide, 1);
        for (int f = 0; f < kPlaces; f++) store(to + f * place + (c0 + c) * kPanel + o, all[f]);
      }
    }
  }
}

// Transforms `count` adjacent tiles, from column x0 of row y0 of the tiles on, and kLanes channels from c on, into [places][tile][row].
void transform_tiles(const Winograd &p, const float *image, Int c, Int y0, Int x0, Int count, float *pixels, float *to, Int place) {
  const Int width = kStep * count + 2, channels = std::min<Int>(kLanes, p.channels - c), line = width * kLanes;
  const Int left = x0 * kStep - p.left, first = std::max<Int>(left, 0), last = std::min(left + width, p.width);
  for (Int i = 0; i < kSide; i++) {
    const Int y = y0 * kStep - p.top + i;
    float *row = pixels + i * line;
    const bool inside = y >= 0 && y < p.height && first < last;
    if (!inside || channels < kLanes || last - first < width) std::fill_n(row, line, 0.f);
    if (!inside) continue;
    transpose(channels, last - first, image + (c * p.height + y) * p.width + first, p.height * p.width, row + (first - left) * kLanes, kLanes);
  }
  for (Int x = 0; x < width; x++) transform_input(pixels + x * kLanes, line, pixels + x * kLanes, line);
  for (Int t = 0; t < count; t++, to += p.row()) {
    for (Int i = 0; i < kSide; i++) transform_input(pixels + i * line + t * kStep * kLanes, kLanes, to + i * kSide * place + c, place);
  }
}

// Transforms products [places][tile][kPanel] of kLanes outputs from o on into the pixels of these tiles, and finishes them into y.
void finish_tiles(const Winograd &p, const Finish &finish, const float *products, Int place, Int n, Int o, Int y0, Int x0, Int count,
                  float *scratch, float *y) {
  const Int width = std::min(kStep * count, p.out_w - x0 * kStep), line = kStep * count * kLanes;
  float *rows = scratch + kStep * line;  // [kLanes][width]
  for (Int t = 0; t < count; t++) {
    float columns[kSide * kStep * kLanes];
    for (Int j = 0; j < kSide; j++) {
      transform_output(products + t * kPanel + j * place, kSide * place, columns + j * kLanes, kSide * kLanes);
    }
    for (Int i = 0; i < kStep; i++) transform_output(columns + i * kSide * kLanes, kLanes, scratch + i * line + t * kStep * kLanes, kLanes);
  }
  const Int outputs = std::min<Int>(kLanes, p.outputs - o);
  for (Int i = 0; i < std::min<Int>(kStep, p.out_h - y0 * kStep); i++) {
    transpose(width, outputs, scratch + i * line, kLanes, rows, kRun * kStep);
    for (Int k = 0; k < outputs; k++) {
      const Int at = ((n * p.outputs + o + k) * p.out_h + y0 * kStep + i) * p.out_w + x0 * kStep;
      finish(rows + k * kRun * kStep, o + k, at, width, y);
    }
  }
}

// Divides the tiles first..last-1 of all images into runs of adjacent tiles. Calls visit(index from first on, image, row, column, count) for
// each; row and column are in tiles.
template <typename Visit>
void for_each_run_of_tiles(const Winograd &p, Int first, Int last, Visit visit) {
  const Int across = p.across(), tiles = p.tiles();
  for (Int t = first; t < last;) {
    const Int n = t / tiles, y = (t - n * tiles) / across, x = t % across, count = std::min({kRun, across - x, last - t});
    visit(t - first, n, y, x, count);
    t += count;
  }
}

#if defined(__AVX512BF16__)
Pair *as_pairs(float *numbers) { return reinterpret_cast<Pair *>(numbers); }
#endif

// With p.bfloat16, rounds the transformed tiles, or the transformed weights of a panel, where they are.
void round_tiles([[maybe_unused]] const Winograd &p, [[maybe_unused]] Int count, [[maybe_unused]] float *tiles, [[maybe_unused]] Int place) {
#if defined(__AVX512BF16__)
  for (Int f = 0; p.bfloat16 && f < kPlaces; f++) round_factor(count, p.row(), {tiles + f * place, p.row(), 1}, as_pairs(tiles + f * place));
#endif
}
void round_weights([[maybe_unused]] const Winograd &p, [[maybe_unused]] float *panel, [[maybe_unused]] Int place) {
#if defined(__AVX512BF16__)
  for (Int f = 0; p.bfloat16 && f < kPlaces; f++) round_panels(kPanel, p.row(), {panel + f * place, 0, kPanel}, as_pairs(panel + f * place));
#endif
}

// Multiplies the tiles and the weights of one place.
void multiply_place(const Winograd &p, Int count, float *tiles, float *weights, float *products) {
#if defined(__AVX512BF16__)
  if (p.bfloat16) {
    const FactorOf<Pair> left{as_pairs(tiles), round_up(pairs(p.row()), kLanes), 1};
    return multiply(count, kPanel, pairs(p.row()), left, PanelsOf<Pair>{as_pairs(weights), 0, kPanel}, products, kPanel, false);
  }
#endif
  multiply(count, kPanel, p.row(), Factor{tiles, p.row(), 1}, Panels{weights, 0, kPanel}, products, kPanel, false);
}

void winograd_forward(const Winograd &p, const float *x, const Weights &weights, const Finish &finish, float *y) {
  const Int threads = omp_get_max_threads(), all = p.images * p.tiles();
  const Int blocks = round_up((all + kBlockOfTiles - 1) / kBlockOfTiles, threads), block = (all + blocks - 1) / blocks;
  const Int place = block * p.row() + kLanes, product = block * kPanel + kLanes, weights_place = p.row() * kPanel + kPanel;
  const Int panel_floats = kPlaces * weights_place;
  Buffer panels = allocate(p.panels() * panel_floats), tiles = allocate(threads * kPlaces * place);
  Buffer products = allocate(threads * kPlaces * product), scratch = allocate(threads * kScratch);
#pragma omp parallel num_threads(threads)
  {
    const Int me = omp_get_thread_num();
    float *my_tiles = tiles.get() + me * kPlaces * place, *my_products = products.get() + me * kPlaces * product;
    float *my_scratch = scratch.get() + me * kScratch;
#pragma omp for schedule(static)
    for (Int panel = 0; panel < p.panels(); panel++) {
      transform_weights(p, weights, panel, panels.get() + panel * panel_floats, weights_place);
      round_weights(p, panels.get() + panel * panel_floats, weights_place);
    }
#pragma omp for schedule(dynamic)
    for (Int w = 0; w < blocks; w++) {
      const Int first = all * w / blocks, last = all * (w + 1) / blocks;
      for_each_run_of_tiles(p, first, last, [&](Int at, Int n, Int y0, Int x0, Int count) {
        for (Int c = 0; c < p.channels; c += kLanes) {
          transform_tiles(p, x + n * p.channels * p.height * p.width, c, y0, x0, count, my_scratch, my_tiles + at * p.row(), place);
        }
      });
      round_tiles(p, last - first, my_tiles, place);
      for (Int panel = 0; panel < p.panels(); panel++) {
        for (Int f = 0; f < kPlaces; f++) {
          float *right = panels.get() + panel * panel_floats + f * weights_place;
          multiply_place(p, last - first, my_tiles + f * place, right, my_products + f * product);
        }
        for_each_run_of_tiles(p, first, last, [&](Int at, Int n, Int y0, Int x0, Int count) {
          for (Int o = panel * kPanel; o < std::min((panel + 1) * kPanel, p.outputs); o += kLanes) {
            const float *from = my_products + at * kPanel + o % kPanel;
            finish_tiles(p, finish, from, product, n, o, y0, x0, count, my_scratch, y);
          }
        });
      }
    }
  }
}

}  // namespace

#endif  // MINDPOINT_WINOGRAD_H_
