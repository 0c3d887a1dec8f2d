// Deformable 3x3 convolution for PyTorch on a CPU, computed as in the public CPU ports of DCNv2: for one image at a time, a plain loop in one
// thread writes the whole unfolded input, then PyTorch computes one matrix product. For comparison only.

#include <torch/extension.h>

#include <cmath>
#include <vector>

using torch::Tensor;

namespace {

struct Image {
  const float *pixels, *offset, *mask;
  int channels, height, width;

  int size() const { return height * width; }
  bool holds(int y, int x) const { return y >= 0 && y < height && x >= 0 && x < width; }
  float y(int tap, int at) const { return at / width + tap / 3 - 1 + offset[2 * tap * size() + at]; }
  float x(int tap, int at) const { return at % width + tap % 3 - 1 + offset[(2 * tap + 1) * size() + at]; }
  bool counts(float y, float x) const { return y > -1 && x > -1 && y < height && x < width; }
  float pixel(int channel, int y, int x) const { return holds(y, x) ? pixels[channel * size() + y * width + x] : 0.f; }
};

float between(const Image &image, int channel, float y, float x) {
  const int top = std::floor(y), left = std::floor(x);
  const float down = y - top, right = x - left;
  float value = (1 - down) * (1 - right) * image.pixel(channel, top, left);
  value += (1 - down) * right * image.pixel(channel, top, left + 1);
  value += down * (1 - right) * image.pixel(channel, top + 1, left);
  return value + down * right * image.pixel(channel, top + 1, left + 1);
}

// The derivative of `between` with respect to y or x.
float slope(const Image &image, int channel, float y, float x, bool by_x) {
  const int top = std::floor(y), left = std::floor(x);
  const float down = y - top, right = x - left;
  const float a = image.pixel(channel, top, left), b = image.pixel(channel, top, left + 1);
  const float c = image.pixel(channel, top + 1, left), d = image.pixel(channel, top + 1, left + 1);
  return by_x ? (1 - down) * (b - a) + down * (d - c) : (1 - right) * (c - a) + right * (d - b);
}

void unfold(const Image &image, float *columns) {
  const int size = image.size();
  for (int channel = 0; channel < image.channels; channel++) {
    for (int at = 0; at < size; at++) {
      for (int tap = 0; tap < 9; tap++) {
        const float y = image.y(tap, at), x = image.x(tap, at);
        const float value = image.counts(y, x) ? between(image, channel, y, x) : 0.f;
        columns[(channel * 9 + tap) * size + at] = value * image.mask[tap * size + at];
      }
    }
  }
}

// The share of a column's gradient that the pixel at (row, column) gets.
float share(float y, float x, int row, int column) {
  const int top = std::floor(y), left = std::floor(x);
  const float down = y - top, right = x - left;
  float total = 0;
  if (row == top && column == left) total = (1 - down) * (1 - right);
  if (row == top && column == left + 1) total = (1 - down) * right;
  if (row == top + 1 && column == left) total = down * (1 - right);
  if (row == top + 1 && column == left + 1) total = down * right;
  return total;
}

// A column's gradient goes to the corners around its position. As in the ports, they are found among the 5x5 pixels around it.
void fold(const Image &image, const float *columns, float *gradient) {
  const int size = image.size();
  for (int row = 0; row < image.channels * 9; row++) {
    for (int at = 0; at < size; at++) {
      const int tap = row % 9;
      const float y = image.y(tap, at), x = image.x(tap, at), value = columns[row * size + at] * image.mask[tap * size + at];
      if (!image.counts(y, x)) continue;
      for (int dy = -2; dy <= 2; dy++) {
        for (int dx = -2; dx <= 2; dx++) {
          const int row_there = static_cast<int>(y) + dy, column_there = static_cast<int>(x) + dx;
          if (image.holds(row_there, column_there) && std::abs(y - row_there) < 1 && std::abs(x - column_there) < 1) {
            gradient[row / 9 * size + row_there * image.width + column_there] += share(y, x, row_there, column_there) * value;
          }
        }
      }
    }
  }
}

void steer(const Image &image, const float *columns, float *by_offset, float *by_mask) {
  const int size = image.size();
  for (int part = 0; part < 18; part++) {
    for (int at = 0; at < size; at++) {
      const int tap = part / 2;
      const float y = image.y(tap, at), x = image.x(tap, at), factor = image.mask[tap * size + at];
      float total = 0, plain = 0;
      if (image.counts(y, x)) {
        for (int channel = 0; channel < image.channels; channel++) {
          const float column = columns[(channel * 9 + tap) * size + at];
          total += column * factor * slope(image, channel, y, x, part % 2);
          plain += column * between(image, channel, y, x);
        }
      }
      by_offset[part * size + at] = total;
      if (part % 2 == 0) by_mask[tap * size + at] = plain;
    }
  }
}

Image image_of(const Tensor &input, const Tensor &offset, const Tensor &mask, int n) {
  return {input[n].data_ptr<float>(), offset[n].data_ptr<float>(), mask[n].data_ptr<float>(),
          static_cast<int>(input.size(1)), static_cast<int>(input.size(2)), static_cast<int>(input.size(3))};
}

Tensor forward(Tensor input, Tensor offset, Tensor mask, Tensor weight, Tensor bias) {
  const auto outputs = weight.size(0), depth = input.size(1) * 9, size = input.size(2) * input.size(3);
  Tensor result = torch::empty({input.size(0), outputs, input.size(2), input.size(3)}), columns = torch::empty({depth, size});
  for (int n = 0; n < input.size(0); n++) {
    unfold(image_of(input, offset, mask, n), columns.data_ptr<float>());
    result[n].view({outputs, size}).copy_(torch::addmm(bias.unsqueeze(1), weight.view({outputs, depth}), columns));
  }
  return result;
}

std::vector<Tensor> backward(Tensor input, Tensor offset, Tensor mask, Tensor weight, Tensor dy) {
  const auto outputs = weight.size(0), depth = input.size(1) * 9, size = input.size(2) * input.size(3);
  Tensor dinput = torch::zeros_like(input), doffset = torch::empty_like(offset), dmask = torch::empty_like(mask);
  Tensor dweight = torch::zeros({outputs, depth}), dbias = torch::zeros({outputs}), columns = torch::empty({depth, size});
  for (int n = 0; n < input.size(0); n++) {
    const Image image = image_of(input, offset, mask, n);
    const Tensor gradient = dy[n].reshape({outputs, size});
    const Tensor column_gradients = torch::mm(weight.view({outputs, depth}).t(), gradient).contiguous();
    steer(image, column_gradients.data_ptr<float>(), doffset[n].data_ptr<float>(), dmask[n].data_ptr<float>());
    fold(image, column_gradients.data_ptr<float>(), dinput[n].data_ptr<float>());
    unfold(image, columns.data_ptr<float>());
    dweight += torch::mm(gradient, columns.t());
    dbias += gradient.sum(1);
  }
  return {dinput, doffset, dmask, dweight.view_as(weight), dbias};
}

}  // namespace

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {
  module.def("forward", &forward);
  module.def("backward", &backward);
}
