// The weight gradient of 3x3 convolutions of stride 1, by the transpose of Winograd's method (see winograd.h): for each pair of input and
// output channels, it is G' M G, where M is the sum over tiles of (B' d B) * (A dy A'). For each of the 36 places, M is one matrix product:
// [channels, tiles] times [tiles, outputs]. The tiles are summed in blocks, which are the same for any number of threads.

#ifndef MINDPOINT_WINOGRAD_GRADIENT_H_
#define MINDPOINT_WINOGRAD_GRADIENT_H_

#include "winograd.h"

namespace {

constexpr Int kBlockOfGradients = 64;  // tiles

// These multiply a column by A or G': the transposes of transform_output and transform_weight.

inline void transform_gradient(const float *d, Int step, float *to, Int to_step) {
  const Vec d0 = load(d), d1 = load(d + step), d2 = load(d + 2 * step), d3 = load(d + 3 * step);
  const Vec even = d0 + 0.5f * d2, odd = kRoot * (0.5f * d1 + 0.25f * d3), wide = d0 + 2 * d2, wide_odd = kRoot * (d1 + 2 * d3);
  store(to, d0);
  store(to + to_step, even + odd);
  store(to + 2 * to_step, even - odd);
  store(to + 3 * to_step, wide + wide_odd);
  store(to + 4 * to_step, wide - wide_odd);
  store(to + 5 * to_step, d3);
}

inline void transform_weight_gradient(const float *m, Int step, float *to, Int to_step) {
  const Vec m1 = load(m + step), m2 = load(m + 2 * step), m3 = load(m + 3 * step), m4 = load(m + 4 * step);
  const Vec even = (m1 + m2) * (1 / 3.f), wide = m3 + m4;
  store(to, load(m) - 2 * even + wide * (1 / 6.f));
  store(to + to_step, (m3 - m4) * (kRoot / 6) - (m1 - m2) * (kRoot / 3));
  store(to + 2 * to_step, wide * (1 / 3.f) - even + load(m + 5 * step));
}

// Divides each row of tiles into runs of equal length, of which the last may be shorter, and the runs of all images into blocks.
struct Runs {
  Int length, of_row, of_image, all, of_block;

  explicit Runs(const Winograd &p) {
    of_row = (p.across() + kRun - 1) / kRun;
    length = (p.across() + of_row - 1) / of_row;
    of_image = of_row * (p.tiles() / p.across());
    all = of_image * p.images;
    of_block = std::min(all, kBlockOfGradients / length);
  }
};

// Transforms tiles of dy like transform_tiles, for kLanes outputs from o on, into [places][tile][row]. Adds dy's pixels to total.
void transform_gradients(const Winograd &p, const float *dy, Int o, Int y0, Int x0, Int count, float *pixels, float *to, Int row, Int place,
                         Vec *total) {
  const Int width = kStep * count, line = width * kLanes, used = std::min(width, p.out_w - x0 * kStep);
  const Int outputs = std::min<Int>(kLanes, p.outputs - o);
  for (Int i = 0; i < kStep; i++) {
    const Int y = y0 * kStep + i;
    float *to_pixels = pixels + i * line;
    if (y >= p.out_h || outputs < kLanes || used < width) std::fill_n(to_pixels, line, 0.f);
    if (y >= p.out_h) continue;
    transpose(outputs, used, dy + (o * p.out_h + y) * p.out_w + x0 * kStep, p.out_h * p.out_w, to_pixels, kLanes);
    for (Int j = 0; j < used; j++) *total += load(to_pixels + j * kLanes);
  }
  for (Int t = 0; t < count; t++) {
    float columns[kSide * kStep * kLanes];
    for (Int j = 0; j < kStep; j++) transform_gradient(pixels + (t * kStep + j) * kLanes, line, columns + j * kLanes, kStep * kLanes);
    for (Int i = 0; i < kSide; i++) transform_gradient(columns + i * kStep * kLanes, kLanes, to + t * row + i * kSide * place, place);
  }
}

// Writes G' M G for kLanes channels from c on and kLanes outputs from o on; M is [places][channel][row].
void finish_weights(const Winograd &p, const float *products, Int row, Int place, Int c, Int o, float *dweight) {
  const Int channels = std::min<Int>(kLanes, p.channels - c), outputs = std::min<Int>(kLanes, p.outputs - o);
  float taps[9 * kLanes * kLanes];
  for (Int k = 0; k < channels; k++) {
    const float *from = products + (c + k) * row + o;
    float columns[3 * kSide * kLanes];
    for (Int j = 0; j < kSide; j++) transform_weight_gradient(from + j * place, kSide * place, columns + j * kLanes, kSide * kLanes);
    for (Int i = 0; i < 3; i++) transform_weight_gradient(columns + i * kSide * kLanes, kLanes, taps + (9 * k + 3 * i) * kLanes, kLanes);
  }
  transpose(9 * channels, outputs, taps, kLanes, dweight + (o * p.channels + c) * 9, 9 * p.channels);
}

// Sets kLanes channels of tiles first..last-1 to zero at all places.
void clear_tiles(Int first, Int last, float *to, Int row, Int place) {
  for (Int f = 0; f < kPlaces; f++) {
    for (Int t = first; t < last; t++) store(to + f * place + t * row, Vec{});
  }
}

void winograd_weight(const Winograd &p, const float *x, const float *dy, float *dweight, float *dbias) {
  const Runs runs(p);
  const Int block = runs.of_block * runs.length, row = round_up(p.outputs, kPanel) + kLanes, strips = p.row() / kLanes;
  const Int x_place = block * p.row() + kLanes, dy_place = block * row + kLanes, place = p.channels * row + kLanes;
  const Int output_strips = (p.outputs + kLanes - 1) / kLanes, threads = omp_get_max_threads();
  Buffer tiles = allocate(kPlaces * x_place), gradients = allocate(kPlaces * dy_place), products = allocate(kPlaces * place);
  Buffer sums = allocate(runs.all * output_strips * kLanes), scratch = allocate(threads * kScratch);
  std::fill_n(gradients.get(), kPlaces * dy_place, 0.f);  // the padding of the outputs to a whole panel must be zero
#pragma omp parallel num_threads(threads)
  {
    float *my_scratch = scratch.get() + omp_get_thread_num() * kScratch;
    for (Int first = 0; first < runs.all; first += runs.of_block) {
      const Int count = std::min(runs.of_block, runs.all - first);
#pragma omp for schedule(dynamic)
      for (Int item = 0; item < count * (strips + output_strips); item++) {
        const Int r = first + item % count, strip = item / count, n = r / runs.of_image, in_image = r % runs.of_image;
        const Int y0 = in_image / runs.of_row, x0 = in_image % runs.of_row * runs.length, at = (r - first) * runs.length;
        const Int length = std::min(runs.length, p.across() - x0);
        if (strip < strips) {
          const float *image = x + n * p.channels * p.height * p.width;
          float *to = tiles.get() + at * p.row();
          transform_tiles(p, image, strip * kLanes, y0, x0, length, my_scratch, to, x_place);
          clear_tiles(length, runs.length, to + strip * kLanes, p.row(), x_place);
        } else {
          const Int o = (strip - strips) * kLanes;
          float *to = gradients.get() + at * row + o;
          Vec total{};
          transform_gradients(p, dy + n * p.outputs * p.out_h * p.out_w, o, y0, x0, length, my_scratch, to, row, dy_place, &total);
          clear_tiles(length, runs.length, to, row, dy_place);
          store(sums.get() + (r * output_strips + strip - strips) * kLanes, total);
        }
      }
#pragma omp for schedule(static)
      for (Int f = 0; f < kPlaces; f++) {
        multiply_as(p.bfloat16, p.channels, row - kLanes, count * runs.length, {tiles.get() + f * x_place, 1, p.row()},
                 {gradients.get() + f * dy_place, kPanel, row}, products.get() + f * place, row, first > 0);
      }
    }
#pragma omp for schedule(static)
    for (Int item = 0; item < strips * output_strips; item++) {
      finish_weights(p, products.get(), row, place, item / output_strips * kLanes, item % output_strips * kLanes, dweight);
    }
  }
  for (Int o = 0; o < p.outputs; o++) {
    double total = 0;
    for (Int r = 0; r < runs.all; r++) total += sums[(r * output_strips + o / kLanes) * kLanes + o % kLanes];
    dbias[o] = static_cast<float>(total);
  }
}

}  // namespace

#endif  // MINDPOINT_WINOGRAD_GRADIENT_H_
