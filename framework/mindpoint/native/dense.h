// Small matrix products and transpositions in vector registers, for the widest vectors of the CPU that the code is compiled for.

#ifndef MINDPOINT_DENSE_H_
#define MINDPOINT_DENSE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace {

using Int = std::ptrdiff_t;

#if defined(__AVX512F__)
constexpr int kLanes = 16, kRows = 14;
#elif defined(__AVX__)
constexpr int kLanes = 8, kRows = 6;
#elif defined(__aarch64__)
constexpr int kLanes = 4, kRows = 12;
#else
constexpr int kLanes = 4, kRows = 6;
#endif
constexpr int kPanel = 2 * kLanes;  // the multiplication keeps a block of kRows rows and kPanel columns of the product in registers
typedef float Vec __attribute__((vector_size(kLanes * sizeof(float)), aligned(sizeof(float)), may_alias));

Int round_up(Int n, Int step) { return (n + step - 1) / step * step; }

Vec load(const float *p) { return *reinterpret_cast<const Vec *>(p); }
void store(float *p, Vec v) { *reinterpret_cast<Vec *>(p) = v; }

typedef int Lanes __attribute__((vector_size(kLanes * sizeof(int))));
#if defined(__clang__)
#define MIX(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define MIX(a, b, ...) __builtin_shuffle(a, b, Lanes{__VA_ARGS__})
#endif

// Adds to each lane the one S further on (cyclically), then S / 2, and so on down to 1: at the end, each lane has the sum of all.
template <int S, int... L>
Vec fold_lanes(Vec v, std::integer_sequence<int, L...> lanes) {
  v += MIX(v, v, ((L + S) % kLanes)...);
  if constexpr (S > 1) return fold_lanes<S / 2>(v, lanes);
  return v;
}

float sum(Vec v) { return fold_lanes<kLanes / 2>(v, std::make_integer_sequence<int, kLanes>())[0]; }

// Large buffers are kept for later calls, because new memory costs page faults and returning it interrupts all threads. A request takes the
// smallest kept buffer that is large enough. If the kept buffers become too large, the smallest are freed first, since large ones fit more
// requests.
struct Kept {
  static constexpr std::size_t kLeast = 128 * 1024, kMost = 48 * 1024 * 1024;  // bytes: of a buffer to be kept, at least; of all, at most
  std::mutex mutex;
  std::multimap<std::size_t, void *> buffers;  // by size
  std::size_t total = 0;

  static Kept &instance() {
    static Kept *kept = new Kept;  // never destroyed: threads may outlive static objects
    return *kept;
  }
  std::pair<const std::size_t, void *> take(std::size_t bytes) {
    if (bytes >= kLeast) {
      const std::lock_guard<std::mutex> lock(mutex);
      if (const auto found = buffers.lower_bound(bytes); found != buffers.end()) {
        const auto buffer = *found;
        buffers.erase(found);
        total -= buffer.first;
        return buffer;
      }
    }
    return {bytes, std::aligned_alloc(64, bytes)};
  }
  void give(std::size_t bytes, void *buffer) {
    if (bytes < kLeast) return std::free(buffer);
    const std::lock_guard<std::mutex> lock(mutex);
    buffers.emplace(bytes, buffer);
    for (total += bytes; total > kMost; buffers.erase(buffers.begin())) {
      total -= buffers.begin()->first;
      std::free(buffers.begin()->second);
    }
  }
};

struct GiveBack {
  std::size_t bytes = 0;
  void operator()(void *p) const { Kept::instance().give(bytes, p); }
};
using Buffer = std::unique_ptr<float[], GiveBack>;
Buffer allocate(Int floats) {
  const auto [bytes, p] = Kept::instance().take(round_up(std::max<Int>(floats, 1) * sizeof(float), 64));
  if (p == nullptr) throw std::bad_alloc();
  return Buffer(static_cast<float *>(p), GiveBack{bytes});
}

// ---- multiplication: c[m][n] = (or +=) sum over k of a[m][k] * b[k][n]; the number of columns n is a multiple of kPanel. The sum is
// completed before it is added to c, which makes rounding errors smaller if a long sum is computed in several calls.

template <typename T>
struct FactorOf {  // the left factor: a[m][k] = data[m * row + k * step]
  const T *data;
  Int row, step;
};
template <typename T>
struct PanelsOf {  // the right factor in panels of kPanel columns, contiguous in each row: strides from panel to panel and row to row
  const T *data;
  Int panel, row;
};
using Factor = FactorOf<float>;
using Panels = PanelsOf<float>;

inline Vec multiply_add(float a, Vec b, Vec sum) { return sum + a * b; }

#if defined(__AVX512BF16__)

// Factors in bfloat16, multiplied exactly and summed in float32: elements k and k + 1, for even k, are a pair.
typedef std::uint32_t Pair;
typedef Pair PairVec __attribute__((vector_size(kLanes * sizeof(Pair)), aligned(sizeof(Pair)), may_alias));
constexpr bool kHasBfloat16 = true;

inline PairVec load(const Pair *p) { return *reinterpret_cast<const PairVec *>(p); }
inline Vec multiply_add(Pair a, PairVec b, Vec sum) {  // GCC 12 copies the sums of the intrinsic to the stack, which takes 2.6 times as long
  const PairVec all = (PairVec)_mm512_set1_epi32(static_cast<int>(a));
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(all), "v"(b));
  return sum;
}

// Returns the first `count` numbers of a vector, and zeros.
inline Vec load_some(const float *p, Int count) {
  if (count >= kLanes) return load(p);
  return (Vec)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << std::max<Int>(count, 0)) - 1), p);
}

// Rounds to the nearest, ties to even. The pairs of `adjacent` are those of adjacent lanes, first those of `first`; the pairs of `between`
// are of the same lane of both.
inline PairVec adjacent(Vec first, Vec second) { return (PairVec)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first); }
template <int... L>
PairVec interleave(PairVec halves, std::integer_sequence<int, L...>) {
  typedef std::uint16_t Words __attribute__((vector_size(2 * kLanes * sizeof(std::uint16_t))));
  const Words order = {(L % 2 * kLanes + L / 2)...};
  return (PairVec)_mm512_permutexvar_epi16((__m512i)order, (__m512i)halves);
}
inline PairVec between(Vec even, Vec odd) { return interleave(adjacent(even, odd), std::make_integer_sequence<int, 2 * kLanes>()); }

inline void store(Pair *p, PairVec v) { *reinterpret_cast<PairVec *>(p) = v; }

inline Int pairs(Int depth) { return (depth + 1) / 2; }
// Numbers of pairs that the next two functions write.
inline Int rounded_factor(Int rows, Int depth) { return std::max(rows * round_up(pairs(depth), kLanes), pairs(depth) * round_up(rows, kLanes)); }
inline Int rounded_panels(Int columns, Int depth) { return columns * pairs(depth); }

// One of the strides of `a` must be 1.
inline FactorOf<Pair> round_factor(Int rows, Int depth, Factor a, Pair *to) {
  if (a.step == 1) {
    const Int row = round_up(pairs(depth), kLanes);
    for (Int m = 0; m < rows; m++) {
      const float *from = a.data + m * a.row;
      for (Int k = 0; k < depth; k += 2 * kLanes) {
        store(to + m * row + k / 2, adjacent(load_some(from + k, depth - k), load_some(from + k + kLanes, depth - k - kLanes)));
      }
    }
    return {to, row, 1};
  }
  const Int row = round_up(rows, kLanes);
  for (Int k = 0; k < depth; k += 2) {
    const float *from = a.data + k * a.step;
    for (Int m = 0; m < rows; m += kLanes) {
      const Vec odd = k + 1 < depth ? load_some(from + a.step + m, rows - m) : Vec{};
      store(to + k / 2 * row + m, between(load_some(from + m, rows - m), odd));
    }
  }
  return {to, 1, row};
}

inline PanelsOf<Pair> round_panels(Int columns, Int depth, Panels b, Pair *to) {
  const Int panel = pairs(depth) * kPanel;
  for (Int n = 0; n < columns; n += kPanel) {
    for (Int k = 0; k < depth; k += 2) {
      const float *from = b.data + n / kPanel * b.panel + k * b.row;
      for (Int i = 0; i < kPanel; i += kLanes) {
        store(to + n / kPanel * panel + k / 2 * kPanel + i, between(load(from + i), k + 1 < depth ? load(from + b.row + i) : Vec{}));
      }
    }
  }
  return {to, panel, kPanel};
}

#else
constexpr bool kHasBfloat16 = false;
#endif

template <int M, typename T>
void multiply_block(Int depth, FactorOf<T> a, const T *b, Int b_row, float *c, Int c_row, bool accumulate) {
  Vec left[M], right[M];
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) {
    left[m] = right[m] = Vec{};
  }
  for (Int k = 0; k < depth; k++) {
    const auto b0 = load(b + k * b_row), b1 = load(b + k * b_row + kLanes);
    const T *ak = a.data + k * a.step;
#pragma GCC unroll 16
    for (int m = 0; m < M; m++) {
      const T am = ak[m * a.row];
      left[m] = multiply_add(am, b0, left[m]);
      right[m] = multiply_add(am, b1, right[m]);
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; m++) {
    float *row = c + m * c_row;
    store(row, accumulate ? load(row) + left[m] : left[m]);
    store(row + kLanes, accumulate ? load(row + kLanes) + right[m] : right[m]);
  }
}

template <int M, typename T>
void multiply_rows(Int rows, Int depth, FactorOf<T> a, const T *b, Int b_row, float *c, Int c_row, bool accumulate) {
  if (rows == M) {
    multiply_block<M>(depth, a, b, b_row, c, c_row, accumulate);
  } else if constexpr (M > 1) {
    multiply_rows<M - 1>(rows, depth, a, b, b_row, c, c_row, accumulate);
  }
}

template <typename T>
void multiply(Int rows, Int columns, Int depth, FactorOf<T> a, PanelsOf<T> b, float *c, Int c_row, bool accumulate) {
  const Int blocks = (rows + kRows - 1) / kRows;  // of almost equal numbers of rows
  for (Int n = 0; n < columns; n += kPanel, b.data += b.panel) {
    for (Int block = 0; block < blocks; block++) {
      const Int m = rows * block / blocks, count = rows * (block + 1) / blocks - m;
      multiply_rows<kRows>(count, depth, FactorOf<T>{a.data + m * a.row, a.row, a.step}, b.data, b.row, c + m * c_row + n, c_row, accumulate);
    }
  }
}

// Multiplies like multiply, and if `bfloat16`, rounds both factors to bfloat16 first.
void multiply_as([[maybe_unused]] bool bfloat16, Int rows, Int columns, Int depth, Factor a, Panels b, float *c, Int c_row, bool accumulate) {
#if defined(__AVX512BF16__)
  if (bfloat16) {
    const Int factor = round_up(rounded_factor(rows, depth), kLanes);
    Buffer rounded = allocate(factor + rounded_panels(columns, depth));
    Pair *to = reinterpret_cast<Pair *>(rounded.get());
    const FactorOf<Pair> left = round_factor(rows, depth, a, to);
    return multiply(rows, columns, pairs(depth), left, round_panels(columns, depth, b, to + factor), c, c_row, accumulate);
  }
#endif
  multiply(rows, columns, depth, a, b, c, c_row, accumulate);
}

// ---- transposition: to[c][r] = from[r][c], in squares of kLanes rows and columns ----------------------------------------------------

// Divides the square into squares of 2 * S rows and columns, exchanges the two off-diagonal quarters of each, and continues with 2 * S.
template <int S, int... L>
void transpose_square(Vec *rows, std::integer_sequence<int, L...> lanes) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; i++) {
    if (i & S) continue;
    const Vec upper = rows[i], lower = rows[i + S];
    rows[i] = MIX(upper, lower, (L & S ? kLanes + L - S : L)...);
    rows[i + S] = MIX(upper, lower, (L & S ? kLanes + L : L + S)...);
  }
  if constexpr (2 * S < kLanes) transpose_square<2 * S>(rows, lanes);
}

void transpose(Int rows, Int columns, const float *from, Int from_row, float *to, Int to_row) {
  const Int whole_rows = rows - rows % kLanes, whole_columns = columns - columns % kLanes;
  for (Int r = 0; r < whole_rows; r += kLanes) {
    for (Int c = 0; c < whole_columns; c += kLanes) {
      Vec square[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; i++) square[i] = load(from + (r + i) * from_row + c);
      transpose_square<1>(square, std::make_integer_sequence<int, kLanes>());
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; i++) store(to + (c + i) * to_row + r, square[i]);
    }
  }
  for (Int r = 0; r < rows; r++) {
    for (Int c = r < whole_rows ? whole_columns : 0; c < columns; c++) to[c * to_row + r] = from[r * from_row + c];
  }
}

}  // namespace

#endif  // MINDPOINT_DENSE_H_
