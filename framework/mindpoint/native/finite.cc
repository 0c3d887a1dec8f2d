// Whether all numbers of many arrays are finite, as one MindSpore custom operator on a CPU.

#include <omp.h>

#include <cstdint>
#include <cstring>

#include "dense.h"

namespace {

constexpr Int kBlock = 1 << 16;
constexpr uint32_t kExponent = 0x7f800000;  // all of these bits are set in infinities and in what is no number

bool all_finite(const float *values, Int count) {
  uint32_t found = 0;
  for (Int i = 0; i < count; i++) {
    uint32_t bits;
    std::memcpy(&bits, values + i, sizeof bits);
    found |= (bits & kExponent) == kExponent;
  }
  return !found;
}

}  // namespace

// float32 arrays of any shape -> [1], 1 if all are finite, else 0
extern "C" int AllFinite(int count, void **params, int *ndims, int64_t **shapes, const char **dtypes, void *, void *) {
  int infinite = 0;
  for (int n = 0; n + 1 < count; n++) {
    if (std::strcmp(dtypes[n], "float32") != 0) return 1;
    Int size = 1;
    for (int i = 0; i < ndims[n]; i++) size *= shapes[n][i];
    const float *values = static_cast<float *>(params[n]);
    const Int blocks = (size + kBlock - 1) / kBlock;
#pragma omp parallel for reduction(| : infinite) if (blocks > 1) schedule(static)
    for (Int block = 0; block < blocks; block++) {
      infinite |= !all_finite(values + block * kBlock, std::min(kBlock, size - block * kBlock));
    }
  }
  static_cast<float *>(params[count - 1])[0] = infinite ? 0.f : 1.f;
  return 0;
}
