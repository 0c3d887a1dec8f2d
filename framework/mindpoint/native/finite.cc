// A MindSpore custom operator for CPUs that checks whether all numbers of several arrays are finite.

#include <omp.h>

#include <cstdint>
#include <cstring>

#include "dense.h"

namespace {

constexpr Int kBlock = 1 << 16;             // floats
constexpr uint32_t kExponent = 0x7f800000;  // all exponent bits; they are all set only in infinities and NaN

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

// float32 arrays of any shape -> float32 [1]: 1 if all numbers are finite, else 0
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
