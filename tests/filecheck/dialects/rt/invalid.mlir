// SPDX-License-Identifier: Apache-2.0

// RUN: VERIFY_DIAG

func.func @f(%x : memref<1x3xi8>, %e : memref<5xui8>, %c : memref<2xui16>, %b : memref<2xi32>, %y : memref<1x2xi8>) {
  rt.fully_connected_delta8_s8 %x, %e, %c, %b requant(%b, %b) <> into %y : memref<1x3xi8>, memref<5xui8>, memref<2xui16>, memref<2xi32>, memref<2xi32>, memref<2xi32>, memref<1x2xi8>
  func.return
}
// CHECK: entries must hold pairs of a step and a value

// -----

func.func @f(%x : memref<1x3xi8>, %e : memref<4xui8>, %c : memref<3xui16>, %b : memref<2xi32>, %y : memref<1x2xi8>) {
  rt.fully_connected_delta8_s8 %x, %e, %c, %b requant(%b, %b) <> into %y : memref<1x3xi8>, memref<4xui8>, memref<3xui16>, memref<2xi32>, memref<2xi32>, memref<2xi32>, memref<1x2xi8>
  func.return
}
// CHECK: counts must have shape 2, got memref<3xui16>

// -----

func.func @f(%x : memref<2x3xi8>, %w : memref<2x3xi8>, %b : memref<2xi32>, %y : memref<2x2xi8>) {
  rt.fully_connected_per_channel_s8 %x, %w, %b requant(%b, %b) <> into %y : memref<2x3xi8>, memref<2x3xi8>, memref<2xi32>, memref<2xi32>, memref<2xi32>, memref<2x2xi8>
  func.return
}
// CHECK: this kernel takes one row of inputs

// -----

func.func @f(%x : memref<1x3xi8>, %t : memref<255xi8>) {
  rt.lookup_s8 %x, %t into %x : memref<1x3xi8>, memref<255xi8>, memref<1x3xi8>
  func.return
}
// CHECK: table must have shape 256, got memref<255xi8>

// -----

func.func @f(%x : memref<1x2x3xi8>, %y : memref<1x4x3xi8>) {
  rt.concatenate_s8 %x axis 1 at 3 into %y : memref<1x2x3xi8>, memref<1x4x3xi8>
  func.return
}
// CHECK: input does not fit into the output at 3

// -----

func.func @f(%x : memref<1x2x3xi8>, %y : memref<1x2x3xi8>) {
  rt.transpose_s8 %x [0, 2, 1] into %y : memref<1x2x3xi8>, memref<1x2x3xi8>
  func.return
}
// CHECK: result must have shape 1x3x2, got memref<1x2x3xi8>

// -----

func.func @f(%x : memref<1x1x1x1x2xi8>, %y : memref<2x2x2x2x3xi8>) {
  rt.pad_s8 %x, 0 <low = [0, 1, 0, 1, 0], high = [1, 0, 1, 0, 1]> into %y : memref<1x1x1x1x2xi8>, memref<2x2x2x2x3xi8>
  func.return
}
// CHECK: at most 4 axes can be padded

// -----

func.func @f(%x : memref<2x2x2x2x2x2x2xi8>) {
  rt.transpose_s8 %x [6, 5, 4, 3, 2, 1, 0] into %x : memref<2x2x2x2x2x2x2xi8>, memref<2x2x2x2x2x2x2xi8>
  func.return
}
// CHECK: at most 6 axes can be transposed

// -----

func.func @f(%x : memref<1x2x3xi8>, %v : memref<2xi8>) {
  rt.minimum_s8 %x, %v into %x : memref<1x2x3xi8>, memref<2xi8>, memref<1x2x3xi8>
  func.return
}
// CHECK: shapes 1x2x3 and 2 cannot be broadcast

// -----

func.func @f(%x : memref<1x1x3x1x2xi8>, %v : memref<1xi8>) {
  rt.minimum_s8 %x, %v into %x : memref<1x1x3x1x2xi8>, memref<1xi8>, memref<1x1x3x1x2xi8>
  func.return
}
// CHECK: operands have at most 4 axes here, got memref<1x1x3x1x2xi8>

// -----

func.func @f(%x : memref<2x1xi8>, %v : memref<3xi8>) {
  rt.maximum_s8 %x, %v into %x : memref<2x1xi8>, memref<3xi8>, memref<2x1xi8>
  func.return
}
// CHECK: result must have shape 2x3, got memref<2x1xi8>

// -----

func.func @f(%x : memref<1x2x3xi8>) {
  rt.add_s8 %x, %x sign 2 <input1_zp = 1, input1_multiplier = 2, input1_shift = 3, input2_zp = 4, input2_multiplier = 5, input2_shift = 6, left_shift = 20, output_zp = 7, output_multiplier = 8, output_shift = 9> into %x : memref<1x2x3xi8>, memref<1x2x3xi8>, memref<1x2x3xi8>
  func.return
}
// CHECK: sign must be 1 or -1, got 2

// -----

func.func @f(%x : memref<1x2x3xi8>, %v : memref<3xi8>) {
  rt.residual_add_s8 %x, %v <multiplier1 = 1, multiplier2 = 1, addend = 7, shift = 22> into %x : memref<1x2x3xi8>, memref<3xi8>, memref<1x2x3xi8>
  func.return
}
// CHECK: right-hand side must have shape 1x2x3

// -----

func.func @f(%x : memref<1x2x3xi8>, %v : memref<6xi8>) {
  rt.residual_add_s8 %x, %x <multiplier1 = 1, multiplier2 = 1, addend = 7, shift = 22> into %v : memref<1x2x3xi8>, memref<1x2x3xi8>, memref<6xi8>
  func.return
}
// CHECK: output must have shape 1x2x3

// -----

func.func @f(%x : memref<1x2x3xi8>) {
  rt.residual_add_s8 %x, %x <multiplier1 = 1, multiplier2 = 1, addend = 7, shift = 23> into %x : memref<1x2x3xi8>, memref<1x2x3xi8>, memref<1x2x3xi8>
  func.return
}
// CHECK: shift 23 is outside 17 to 22

// -----

func.func @f(%x : memref<1x2x3xi8>) {
  rt.residual_add_s8 %x, %x <multiplier1 = 2147483647, multiplier2 = 2147483647, addend = -9, shift = 22> into %x : memref<1x2x3xi8>, memref<1x2x3xi8>, memref<1x2x3xi8>
  func.return
}
// CHECK: a multiplier or a sum is outside int32

// -----

func.func @f(%x : memref<1x2x3xi8>) {
  rt.residual_add_rounded_s8 %x, %x <input1_zp = 1, input2_zp = 2, multiplier = 3, shift = 0, output_multiplier = 5, output_shift = -6, output_zp = 7> into %x : memref<1x2x3xi8>, memref<1x2x3xi8>, memref<1x2x3xi8>
  func.return
}
// CHECK: shift 0 is outside -30 to -1

// -----

func.func @f(%x : memref<1x2x3xi8>, %v : memref<2xi8>) {
  rt.prelu_s8 %x, %v <input_zp = 1, alpha_zp = 2, multiplier = 3, shift = -4, alpha_multiplier = 5, alpha_shift = -6, output_zp = 7> into %x : memref<1x2x3xi8>, memref<2xi8>, memref<1x2x3xi8>
  func.return
}
// CHECK: shapes 1x2x3 and 2 cannot be broadcast

// -----

func.func @f(%x : memref<4xi8>, %y : memref<3xi8>) {
  rt.slice_s8 %x <begin = [2], strides = [1]> into %y : memref<4xi8>, memref<3xi8>
  func.return
}
// CHECK: 3 elements from 2 on with stride 1 are not inside axis 0 of 4 elements

// -----

func.func @f(%x : memref<3x3x3x3x3x3x3xi8>, %y : memref<2x2x2x2x2x2x2xi8>) {
  rt.slice_s8 %x <begin = [0, 0, 0, 0, 0, 0, 0], strides = [1, 1, 1, 1, 1, 1, 1]> into %y : memref<3x3x3x3x3x3x3xi8>, memref<2x2x2x2x2x2x2xi8>
  func.return
}
// CHECK: at most 6 axes can be sliced

// -----

func.func @f(%x : memref<1x4x3x2xi8>, %rows : memref<2xui16>, %columns : memref<2xui16>, %z : memref<1x3x2x2xi8>) {
  rt.resize_nearest_s8 %x, %rows, %columns into %z : memref<1x4x3x2xi8>, memref<2xui16>, memref<2xui16>, memref<1x3x2x2xi8>
  func.return
}
// CHECK: rows must have shape 3, got memref<2xui16>

// -----

func.func @f(%x : memref<1x12x2xi8>, %y : memref<1x2xi8>) {
  rt.mean_s8 %x <> into %y : memref<1x12x2xi8>, memref<1x2xi8>
  func.return
}
// CHECK: output must have shape 1x1x2, got memref<1x2xi8>

// -----

func.func @f(%x : memref<1x8421505x1xi8>, %y : memref<1x1x1xi8>) {
  rt.mean_s8 %x <> into %y : memref<1x8421505x1xi8>, memref<1x1x1xi8>
  func.return
}
// CHECK: a mean is of 1 to 8421504 values, got 8421505

// -----

func.func @f(%x : memref<1x4x3x2xi8>, %y : memref<1x1x2xi8>) {
  rt.reduce_max_s8 %x into %y : memref<1x4x3x2xi8>, memref<1x1x2xi8>
  func.return
}
// CHECK: input must have three axes, got memref<1x4x3x2xi8>

// -----

func.func @f(%x : memref<1x3x3x2xi8>, %w : memref<4x2x2x2xi8>, %b : memref<4xi32>, %m : memref<4xi32>, %y : memref<1x8x6x4xi8>) {
  rt.transpose_conv_s8 %x, %w, %b requant(%m, %b) <> window <strides = [2, 2]> into %y : memref<1x3x3x2xi8>, memref<4x2x2x2xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x8x6x4xi8>
  func.return
}
// CHECK: a result of 8x6 is that of an input of 4x3, got 3x3

// -----

func.func @f(%x : memref<1x3x3x2xi8>, %w : memref<4x2x2x2xi8>, %b : memref<4xi32>, %m : memref<1xi32>, %y : memref<1x6x6x4xi8>) {
  rt.transpose_conv_s8 %x, %w, %b requant(%m, %b) <> window <strides = [2, 2]> into %y : memref<1x3x3x2xi8>, memref<4x2x2x2xi8>, memref<4xi32>, memref<1xi32>, memref<4xi32>, memref<1x6x6x4xi8>
  func.return
}
// CHECK: multiplier must have shape 4, got memref<1xi32>

// -----

func.func @main(%x : memref<1x5xi8>, %r : memref<2x3xi32>, %w : memref<6xi32>, %p : memref<3xui8>, %y : memref<1x2xi8>) {
  rt.fully_connected_table_s8 %x, %r, %w, %p saturating <clamp = [0, 127]> into %y : memref<1x5xi8>, memref<2x3xi32>, memref<6xi32>, memref<3xui8>, memref<1x2xi8>
  func.return
}

// CHECK: a clamp to less than int8 is not saturating

// -----

func.func @main(%x : memref<1x3xi8>, %r : memref<2x3xi32>, %w : memref<6xi32>, %p : memref<3xui8>, %y : memref<1x2xi8>) {
  rt.fully_connected_1x4_s8 %x, %r, %p, %w <> into %y : memref<1x3xi8>, memref<2x3xi32>, memref<3xui8>, memref<6xi32>, memref<1x2xi8>
  func.return
}

// CHECK: a 1x4 block does not fit into 3 columns

// -----

func.func @main(%x : memref<1x5xi8>, %v : memref<3xi8>, %b : memref<2xi32>, %y : memref<1x2xi8>) {
  rt.fully_connected_dcsr_s8 %x weights(%v), %b requant(%b, %b) <> into %y : memref<1x5xi8>, (memref<3xi8>), memref<2xi32>, memref<2xi32>, memref<2xi32>, memref<1x2xi8>
  func.return
}

// CHECK: dcsr has 7 arrays, got 1

// -----

func.func @main(%x : memref<1x5xi8>, %r : memref<4x3xi32>, %w : memref<16xi8>, %p : memref<1xui16>, %y : memref<1x2xi8>) {
  rt.fully_connected_1x16_s8 %x, %r, %w, %p <> into %y : memref<1x5xi8>, memref<4x3xi32>, memref<16xi8>, memref<1xui16>, memref<1x2xi8>
  func.return
}

// CHECK: 5 columns are fewer than the 16 of a vector

// -----

func.func @main(%x : memref<1x5xi8>, %r : memref<4x3xi32>, %w : memref<3xi32>, %s : memref<4xi8>, %y : memref<1x2xi8>) {
  rt.fully_connected_gather_1x4_s8 %x, %r, %w <> into %y scratch %s : memref<1x5xi8>, memref<4x3xi32>, memref<3xi32>, memref<1x2xi8>, memref<4xi8>
  func.return
}

// CHECK: scratch must have shape 5, got

// -----

func.func @main(%x : memref<1x5xi8>, %r : memref<2x3xi32>, %w : memref<6xi32>, %y : memref<1x2xi8>) {
  rt.fully_connected_4x1_s8 %x, %r, %w <> into %y : memref<1x5xi8>, memref<2x3xi32>, memref<6xi32>, memref<1x2xi8>
  func.return
}

// CHECK: rows must have shape 4x3, got memref<2x3xi32>

// -----

func.func @main(%x : memref<1x5xi8>, %r : memref<4x3xi32>, %w : memref<2x3xi32>, %y : memref<1x2xi8>) {
  rt.fully_connected_4x1_w16_s8 %x, %r, %w <> into %y : memref<1x5xi8>, memref<4x3xi32>, memref<2x3xi32>, memref<1x2xi8>
  func.return
}

// CHECK: groups must have one axis

// -----

func.func @f(%x : memref<1x4x4x2xi8>, %r : memref<9xi32>, %y : memref<1x3x3x3xi8>, %s : memref<52xi8>) {
  rt.convolve_packed_s8 %x, %r <> kernel [2] window <> into %y scratch %s : memref<1x4x4x2xi8>, memref<9xi32>, memref<1x3x3x3xi8>, memref<52xi8>
  func.return
}
// CHECK: kernel must be a height and a width

// -----

func.func @f(%x : memref<1x4x4x2xi8>, %r : memref<9xi32>, %y : memref<1x2x3x3xi8>, %s : memref<52xi8>) {
  rt.convolve_packed_s8 %x, %r <> kernel [2, 2] window <> into %y scratch %s : memref<1x4x4x2xi8>, memref<9xi32>, memref<1x2x3x3xi8>, memref<52xi8>
  func.return
}
// CHECK: result must have shape 1x3x3x3, got memref<1x2x3x3xi8>

// -----

func.func @f(%x : memref<1x4x4x2xi8>, %r : memref<3x3xi32>, %y : memref<1x3x3x3xi8>, %s : memref<52xi8>) {
  rt.convolve_packed_s8 %x, %r <> kernel [2, 2] window <> into %y scratch %s : memref<1x4x4x2xi8>, memref<3x3xi32>, memref<1x3x3x3xi8>, memref<52xi8>
  func.return
}
// CHECK: rows must have one axis

// -----

func.func @f(%x : memref<1x4x4x2xi8>, %r : memref<9xi32>, %y : memref<1x3x3x3xi8>, %s : memref<53xi8>) {
  rt.convolve_packed_s8 %x, %r <> kernel [2, 2] window <> into %y scratch %s : memref<1x4x4x2xi8>, memref<9xi32>, memref<1x3x3x3xi8>, memref<53xi8>
  func.return
}
// CHECK: scratch must have shape 52, got memref<53xi8>

// -----

func.func @f(%x : memref<1x4x4x2xi8>, %r : memref<9xi32>, %y : memref<1x3x3x3xi8>, %s : memref<53xi8>) {
  rt.convolve_runs_s8 %x, %r <> kernel [2, 2] window <> into %y scratch %s : memref<1x4x4x2xi8>, memref<9xi32>, memref<1x3x3x3xi8>, memref<53xi8>
  func.return
}
// CHECK: scratch must have shape 4, got memref<53xi8>

// -----

func.func @f(%x : memref<1x4x4x2xi8>, %r : memref<9xi32>, %y : memref<1x3x3x4xi8>, %s : memref<100xi8>) {
  rt.depthwise_convolve_delta8_s8 %x, %r <> kernel [2] window <> into %y scratch %s : memref<1x4x4x2xi8>, memref<9xi32>, memref<1x3x3x4xi8>, memref<100xi8>
  func.return
}
// CHECK: kernel must be a height and a width

// -----

func.func @f(%x : memref<1x4x4x2xi8>, %r : memref<9xi32>, %y : memref<1x3x3x3xi8>, %s : memref<100xi8>) {
  rt.depthwise_convolve_delta8_s8 %x, %r <> kernel [2, 2] window <> into %y scratch %s : memref<1x4x4x2xi8>, memref<9xi32>, memref<1x3x3x3xi8>, memref<100xi8>
  func.return
}
// CHECK: output must have a multiple of 2 channels

// -----

func.func @f(%x : memref<1x4x4x2xi8>, %r : memref<9xi32>, %y : memref<1x2x3x4xi8>, %s : memref<100xi8>) {
  rt.depthwise_convolve_delta8_s8 %x, %r <> kernel [2, 2] window <> into %y scratch %s : memref<1x4x4x2xi8>, memref<9xi32>, memref<1x2x3x4xi8>, memref<100xi8>
  func.return
}
// CHECK: result must have shape 1x3x3x4, got memref<1x2x3x4xi8>

// -----

func.func @f(%x : memref<1x4x4x2xi8>, %r : memref<3x3xi32>, %y : memref<1x3x3x4xi8>, %s : memref<100xi8>) {
  rt.depthwise_convolve_delta8_s8 %x, %r <> kernel [2, 2] window <> into %y scratch %s : memref<1x4x4x2xi8>, memref<3x3xi32>, memref<1x3x3x4xi8>, memref<100xi8>
  func.return
}
// CHECK: rows must have one axis

// -----

func.func @f(%x : memref<1x4x4x2xi8>, %r : memref<9xi32>, %y : memref<1x3x3x4xi8>, %s : memref<101xi8>) {
  rt.depthwise_convolve_delta8_s8 %x, %r <> kernel [2, 2] window <> into %y scratch %s : memref<1x4x4x2xi8>, memref<9xi32>, memref<1x3x3x4xi8>, memref<101xi8>
  func.return
}
// CHECK: scratch must have shape 100, got memref<101xi8>

// -----

func.func @f(%x : memref<1x5x5x2xi8>, %r : memref<42xi32>, %y : memref<1x1x1x2xi8>, %s : memref<144xi8>) {
  rt.depthwise_convolve_lanes_s8 %x, %r <> kernel [3, 3] window <dilations = [2, 2]> into %y scratch %s : memref<1x5x5x2xi8>, memref<42xi32>, memref<1x1x1x2xi8>, memref<144xi8>
  func.return
}
// CHECK: a window cannot be dilated, got (2, 2)

// -----

func.func @f(%x : memref<1x5x5x2xi8>, %r : memref<42xi32>, %y : memref<1x3x3x4xi8>, %s : memref<240xi8>) {
  rt.depthwise_convolve_lanes_s8 %x, %r <> kernel [3, 3] window <> into %y scratch %s : memref<1x5x5x2xi8>, memref<42xi32>, memref<1x3x3x4xi8>, memref<240xi8>
  func.return
}
// CHECK: input and output must have the same channels, got 2 and 4

// -----

func.func @f(%x : memref<1x5x5x2xi8>, %r : memref<41xi32>, %y : memref<1x3x3x2xi8>, %s : memref<240xi8>) {
  rt.depthwise_convolve_lanes_s8 %x, %r <> kernel [3, 3] window <> into %y scratch %s : memref<1x5x5x2xi8>, memref<41xi32>, memref<1x3x3x2xi8>, memref<240xi8>
  func.return
}
// CHECK: rows must have shape 42, got memref<41xi32>

// -----

func.func @f(%x : memref<1x5x5x2xi8>, %r : memref<42xi32>, %y : memref<1x3x3x2xi8>, %s : memref<239xi8>) {
  rt.depthwise_convolve_lanes_s8 %x, %r <> kernel [3, 3] window <> into %y scratch %s : memref<1x5x5x2xi8>, memref<42xi32>, memref<1x3x3x2xi8>, memref<239xi8>
  func.return
}
// CHECK: scratch must have shape 240, got memref<239xi8>

// -----

func.func @f(%x : memref<1x5x5x2xi8>, %r : memref<9xi32>, %y : memref<1x2x3x2xi8>, %s : memref<96xi8>) {
  rt.depthwise_convolve_3x3_s8 %x, %r <> window <strides = [2, 1]> into %y scratch %s : memref<1x5x5x2xi8>, memref<9xi32>, memref<1x2x3x2xi8>, memref<96xi8>
  func.return
}
// CHECK: strides must both be 1 or both 2, got (2, 1)

// -----

func.func @f(%x : memref<1x5x5x2xi8>, %r : memref<9xi32>, %y : memref<1x1x1x2xi8>, %s : memref<96xi8>) {
  rt.depthwise_convolve_3x3_s8 %x, %r <> window <dilations = [2, 2]> into %y scratch %s : memref<1x5x5x2xi8>, memref<9xi32>, memref<1x1x1x2xi8>, memref<96xi8>
  func.return
}
// CHECK: a window cannot be dilated, got (2, 2)

// -----

func.func @f(%x : memref<1x5x5x2xi8>, %r : memref<9xi32>, %y : memref<1x3x6x2xi8>, %s : memref<96xi8>) {
  rt.depthwise_convolve_3x3_s8 %x, %r <> window <padding = [0, 3, 0, 0]> into %y scratch %s : memref<1x5x5x2xi8>, memref<9xi32>, memref<1x3x6x2xi8>, memref<96xi8>
  func.return
}
// CHECK: padding must be less than a window, got (0, 3, 0, 0)

// -----

func.func @f(%x : memref<1x5x5x2xi8>, %r : memref<9xi32>, %y : memref<1x3x3x4xi8>, %s : memref<160xi8>) {
  rt.depthwise_convolve_3x3_s8 %x, %r <> window <> into %y scratch %s : memref<1x5x5x2xi8>, memref<9xi32>, memref<1x3x3x4xi8>, memref<160xi8>
  func.return
}
// CHECK: input and output must have the same channels, got 2 and 4

// -----

func.func @f(%x : memref<1x5x5x2xi8>, %r : memref<9xi32>, %y : memref<1x2x3x2xi8>, %s : memref<160xi8>) {
  rt.depthwise_convolve_3x3_s8 %x, %r <> window <> into %y scratch %s : memref<1x5x5x2xi8>, memref<9xi32>, memref<1x2x3x2xi8>, memref<160xi8>
  func.return
}
// CHECK: result must have shape 1x3x3x2, got memref<1x2x3x2xi8>

// -----

func.func @f(%x : memref<1x5x5x2xi8>, %r : memref<3x3xi32>, %y : memref<1x3x3x2xi8>, %s : memref<160xi8>) {
  rt.depthwise_convolve_3x3_s8 %x, %r <> window <> into %y scratch %s : memref<1x5x5x2xi8>, memref<3x3xi32>, memref<1x3x3x2xi8>, memref<160xi8>
  func.return
}
// CHECK: rows must have one axis

// -----

func.func @f(%x : memref<1x5x5x2xi8>, %r : memref<9xi32>, %y : memref<1x3x3x2xi8>, %s : memref<161xi8>) {
  rt.depthwise_convolve_3x3_s8 %x, %r <> window <> into %y scratch %s : memref<1x5x5x2xi8>, memref<9xi32>, memref<1x3x3x2xi8>, memref<161xi8>
  func.return
}
// CHECK: scratch must have shape 160, got memref<161xi8>

// -----

func.func @f(%v : memref<6xi8>, %b : memref<3xui8>, %e : memref<8xui8>, %c : memref<3xui16>) {
  rt.decode_bitmap_s8 %v, %b as <csr> columns 4 into %e, %c : memref<6xi8>, memref<3xui8>, memref<8xui8>, memref<3xui16>
  func.return
}
// CHECK: this operation does not decode csr

// -----

func.func @f(%v : memref<6xi8>, %b : memref<3xui8>, %e : memref<8xui8>, %c : memref<3xui16>) {
  rt.decode_bitmap_s8 %v, %b as <bitmap> columns 0 into %e, %c : memref<6xi8>, memref<3xui8>, memref<8xui8>, memref<3xui16>
  func.return
}
// CHECK: a sparse format stores a matrix [rows, columns], not a tensor of shape [3, 0]

// -----

func.func @f(%v : memref<6xi8>, %b : memref<3xui8>, %e : memref<8xui8>, %c : memref<3xui16>) {
  rt.decode_csr_s8 %v, %b, %c as <csr> columns 257 into %e, %c : memref<6xi8>, memref<3xui8>, memref<3xui16>, memref<8xui8>, memref<3xui16>
  func.return
}
// CHECK: coordinates must be a list of uint16

// -----

func.func @f(%v : memref<6xi8>, %b : memref<3xui8>, %e : memref<8xui8>, %c : memref<3xui16>) {
  rt.decode_row_block_s8 %b, %c as <block, rows = 2, columns = 1> columns 4 into %e, %c : memref<3xui8>, memref<3xui16>, memref<8xui8>, memref<3xui16>
  func.return
}
// CHECK: this operation does not decode block(2x1)

// -----

func.func @f(%v : memref<6xi8>, %b : memref<3xui8>, %e : memref<8xui8>, %c : memref<3xui16>) {
  rt.decode_block_s8 %v, %b, %c as <block, rows = 2, columns = 1, bits = 16> columns 4 into %e, %c : memref<6xi8>, memref<3xui8>, memref<3xui16>, memref<8xui8>, memref<3xui16>
  func.return
}
// CHECK: this operation does not decode block(2x1,int16)

// -----

func.func @f(%v : memref<6xi8>, %b : memref<3xui8>, %e : memref<8xui8>, %c : memref<3xui16>) {
  rt.decode_bitmap_s8 %v, %b as <bitmap> columns 4 into %b, %c : memref<6xi8>, memref<3xui8>, memref<3xui8>, memref<3xui16>
  func.return
}
// CHECK: delta8_entries must hold pairs of a step and a value

// -----

func.func @f(%x : memref<1x5x5x2xi8>, %w : memref<4x3x3x2xi8>, %b : memref<4xi32>, %y : memref<1x2x2x4xi8>) {
  rt.convolve_strips_s8 strip 3 of %x, %w, %b requant(%b, %b) <> window <strides = [2, 2]> into %y : memref<1x5x5x2xi8>, memref<4x3x3x2xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x2x2x4xi8>
  func.return
}
// CHECK: strip must be 1 to 2, got 3

// -----

// Pixels, of which a 1x1 convolution has as many as there are.
func.func @f(%x : memref<1x3x2x2xi8>, %w : memref<4x1x1x2xi8>, %b : memref<4xi32>, %y : memref<1x3x2x4xi8>) {
  rt.convolve_strips_s8 strip 7 of %x, %w, %b requant(%b, %b) <> window <> into %y : memref<1x3x2x2xi8>, memref<4x1x1x2xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x3x2x4xi8>
  func.return
}
// CHECK: strip must be 1 to 6, got 7

// -----

// What the operation that it takes the place of asks for.
func.func @f(%x : memref<1x3x2x2xi8>, %w : memref<4x1x1x3xi8>, %b : memref<4xi32>, %y : memref<1x3x2x4xi8>) {
  rt.convolve_strips_s8 strip 1 of %x, %w, %b requant(%b, %b) <> window <> into %y : memref<1x3x2x2xi8>, memref<4x1x1x3xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x3x2x4xi8>
  func.return
}
// CHECK: weights must have shape OxKHxKWx2

// -----

func.func @f(%x : memref<1x5x5x2xi8>, %r : memref<9xi32>, %y : memref<1x4x3x3xi8>, %s : memref<84xi8>) {
  rt.convolve_packed_strips_s8 strip 2 of %x, %r <> kernel [2, 3] window <> into %y scratch %s : memref<1x5x5x2xi8>, memref<9xi32>, memref<1x4x3x3xi8>, memref<84xi8>
  func.return
}
// CHECK: a stream that pairs rows cannot be used strip by strip

// -----

// Three rows of 5 pixels of 4 channels.
func.func @f(%x : memref<1x5x5x2xi8>, %w : memref<4x1x1x2xi8>, %dw : memref<1x3x3x4xi8>, %b : memref<4xi32>, %y : memref<1x2x2x4xi8>, %s : memref<63xi8>) {
  rt.point_depthwise_s8 %x point %w, %b requant(%b, %b) <> depthwise %dw, %b requant(%b, %b) <> window <strides = [2, 2]> into %y scratch %s : memref<1x5x5x2xi8>, memref<4x1x1x2xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x3x3x4xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x2x2x4xi8>, memref<63xi8>
  func.return
}
// CHECK: scratch must have at least 64 bytes

// -----

func.func @f(%x : memref<1x5x5x2xi8>, %w : memref<4x3x3x2xi8>, %dw : memref<1x3x3x4xi8>, %b : memref<4xi32>, %y : memref<1x2x2x4xi8>, %s : memref<64xi8>) {
  rt.point_depthwise_s8 %x point %w, %b requant(%b, %b) <> depthwise %dw, %b requant(%b, %b) <> window <strides = [2, 2]> into %y scratch %s : memref<1x5x5x2xi8>, memref<4x3x3x2xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x3x3x4xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x2x2x4xi8>, memref<64xi8>
  func.return
}
// CHECK: point weights must be 1x1

// -----

func.func @f(%x : memref<1x5x5x2xi8>, %w : memref<4x1x1x2xi8>, %dw : memref<1x3x3x4xi8>, %b : memref<4xi32>, %c : memref<5xi32>, %y : memref<1x2x2x4xi8>, %s : memref<64xi8>) {
  rt.point_depthwise_s8 %x point %w, %c requant(%b, %b) <> depthwise %dw, %b requant(%b, %b) <> window <strides = [2, 2]> into %y scratch %s : memref<1x5x5x2xi8>, memref<4x1x1x2xi8>, memref<5xi32>, memref<4xi32>, memref<4xi32>, memref<1x3x3x4xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x2x2x4xi8>, memref<64xi8>
  func.return
}
// CHECK: point bias must have shape

// -----

func.func @f(%x : memref<1x4xi8>, %v : memref<6xi8>, %b : memref<3xui8>, %i : memref<3xi32>, %y : memref<1x3xi8>, %s : memref<12xi8>) {
  rt.fully_connected_decoded_s8 %x weights(%v, %b) as <delta8> rows 2, %i requant(%i, %i) <> into %y scratch %s : memref<1x4xi8>, (memref<6xi8>, memref<3xui8>), memref<3xi32>, memref<3xi32>, memref<3xi32>, memref<1x3xi8>, memref<12xi8>
  func.return
}
// CHECK: nothing decodes delta8

// -----

func.func @f(%x : memref<1x4xi8>, %v : memref<6xi8>, %b : memref<3xui8>, %i : memref<3xi32>, %y : memref<1x3xi8>, %s : memref<12xi8>) {
  rt.fully_connected_decoded_s8 %x weights(%v, %b) as <bitmap> rows 4, %i requant(%i, %i) <> into %y scratch %s : memref<1x4xi8>, (memref<6xi8>, memref<3xui8>), memref<3xi32>, memref<3xi32>, memref<3xi32>, memref<1x3xi8>, memref<12xi8>
  func.return
}
// CHECK: rows must be from 1 to 3

// -----

func.func @f(%x : memref<1x4xi8>, %v : memref<6xi8>, %b : memref<3xui8>, %i : memref<3xi32>, %y : memref<1x3xi8>, %s : memref<12xi8>) {
  rt.fully_connected_decoded_s8 %x weights(%v, %b) as <csr> rows 2, %i requant(%i, %i) <> into %y scratch %s : memref<1x4xi8>, (memref<6xi8>, memref<3xui8>), memref<3xi32>, memref<3xi32>, memref<3xi32>, memref<1x3xi8>, memref<12xi8>
  func.return
}
// CHECK: csr has 3 arrays, got 2

// -----

func.func @f(%x : memref<1x4xi8>, %v : memref<6xi8>, %b : memref<3xui8>, %i : memref<3xi32>, %y : memref<1x3xi8>, %s : memref<12xi8>) {
  rt.fully_connected_decoded_s8 %x weights(%v, %v) as <bitmap> rows 2, %i requant(%i, %i) <> into %y scratch %s : memref<1x4xi8>, (memref<6xi8>, memref<6xi8>), memref<3xi32>, memref<3xi32>, memref<3xi32>, memref<1x3xi8>, memref<12xi8>
  func.return
}
// CHECK: bits must be a list of uint8

// -----

func.func @f(%x : memref<1x4xi8>, %i : memref<2xui16>, %y : memref<1x3xi8>) {
  rt.gather_s8 %x, %i axis 1 into %y : memref<1x4xi8>, memref<2xui16>, memref<1x3xi8>
  func.return
}
// CHECK: result must have shape 1x2, got memref<1x3xi8>

// -----

func.func @f(%x : memref<1x12x2xi8>, %y : memref<1x2x1xi32>) {
  rt.arg_max_s8 %x into %y : memref<1x12x2xi8>, memref<1x2x1xi32>
  func.return
}
// CHECK: output must have shape 1x1x2, got memref<1x2x1xi32>

// -----

func.func @f(%x : memref<1x4x3x2xi8>, %i : memref<5xui16>, %a : memref<5x2xi16>, %j : memref<2xui16>, %b : memref<2x3xi16>, %y : memref<1x5x3x2xi8>) {
  rt.resample_s8 %x, %i by %a, %j by %b <> into %y : memref<1x4x3x2xi8>, memref<5xui16>, memref<5x2xi16>, memref<2xui16>, memref<2x3xi16>, memref<1x5x3x2xi8>
  func.return
}
// CHECK: columns must have shape 3, got memref<2xui16>

// -----

func.func @f(%x : memref<1x4x3x2xi8>, %y : memref<1x12x1x2xi8>, %c : memref<2xi32>) {
  rt.normalize_s8 %x, %c requant(%c, %c) <> into %y : memref<1x4x3x2xi8>, memref<2xi32>, memref<2xi32>, memref<2xi32>, memref<1x12x1x2xi8>
  func.return
}
// CHECK: result must have shape 1x4x3x2, got memref<1x12x1x2xi8>

// -----

func.func @f(%x : memref<4xui8>, %y : memref<5xi8>) {
  rt.from_uint8_s8 %x into %y : memref<4xui8>, memref<5xi8>
  func.return
}
// CHECK: output must have shape 4, got memref<5xi8>

// -----

func.func @f(%t : memref<5x3xi8>, %i : memref<4xi32>, %y : memref<4x4xi8>) {
  rt.embedding_s8 %t, %i into %y : memref<5x3xi8>, memref<4xi32>, memref<4x4xi8>
  func.return
}
// CHECK: result must have shape 4x3, got memref<4x4xi8>

// -----

func.func @f(%i : memref<4xi32>, %y : memref<4xi8>) {
  rt.concatenate_s8 %i axis 0 at 0 into %y : memref<4xi32>, memref<4xi8>
  func.return
}
// CHECK: input and output must have the same elements, got memref<4xi32>

// -----

func.func @f(%m : memref<2xi8>, %x : memref<1x1x1x4x2xi8>) {
  rt.select_s8 %m, %x, %x into %x : memref<2xi8>, memref<1x1x1x4x2xi8>, memref<1x1x1x4x2xi8>, memref<1x1x1x4x2xi8>
  func.return
}
// CHECK: operands have at most 4 axes here, got memref<1x1x1x4x2xi8>

// -----

func.func @f(%x : memref<1x600xi8>, %y : memref<600xi8>) {
  rt.softmax_s8 %x <multiplier = 1073741824, shift = 20, diff_min = -248> into %y : memref<1x600xi8>, memref<600xi8>
  func.return
}
// CHECK: output must have shape 1x600, got memref<600xi8>

// -----

func.func @f(%a : memref<1x2x3x4xi8, #rt.channel_major<>>, %t : memref<256xi8>, %y : memref<1x2x3x4xi8>) {
  rt.lookup_s8 %a, %t into %y : memref<1x2x3x4xi8, #rt.channel_major<>>, memref<256xi8>, memref<1x2x3x4xi8>
  func.return
}
// CHECK: operands of rt.lookup_s8 must have the same layout

// -----

func.func @f(%a : memref<1x2x3x4xi8, #rt.channel_major<>>, %t : memref<1xi8>) {
  rt.maximum_s8 %a, %a into %a : memref<1x2x3x4xi8, #rt.channel_major<>>, memref<1x2x3x4xi8, #rt.channel_major<>>, memref<1x2x3x4xi8, #rt.channel_major<>>
  func.return
}
// CHECK: rt.maximum_s8 reads NHWC, not memref<1x2x3x4xi8, #rt.channel_major<>>

// -----

func.func @f(%x : memref<1x2x3x4xi8>, %y : memref<1x2x3x4xi8>) {
  rt.to_channel_major_s8 %x into %y : memref<1x2x3x4xi8>, memref<1x2x3x4xi8>
  func.return
}
// CHECK: output must be channel-major, got memref<1x2x3x4xi8>

// -----

func.func @f(%x : memref<1x2x3x4xi8>, %y : memref<1x2x3x4xi8, #rt.channel_major<fill = 3>>) {
  func.return
}
// CHECK: there are no gaps to fill

// -----

func.func @f(%x : memref<1x2x3x4xi8>, %y : memref<1x2x3x4xi8, #rt.channel_major<gap_rows = -1>>) {
  func.return
}
// CHECK: a gap cannot be negative

// -----

func.func @f(%x : memref<1x2x3x4xi8>, %m : memref<36xi8>) {
  %a = memref.reinterpret_cast %m to offset: [0], sizes: [1, 2, 3, 4], strides: [36, 3, 1, 8] : memref<36xi8> to memref<1x2x3x4xi8, #rt.channel_major<gap_columns = 1, fill = 1>>
  rt.to_channel_major_s8 %x into %a : memref<1x2x3x4xi8>, memref<1x2x3x4xi8, #rt.channel_major<gap_columns = 1, fill = 1>>
  func.return
}
// CHECK: takes 37 bytes, not 36

// -----

func.func @f(%a : memref<1x2x3x4xi8, #rt.channel_major<gap_columns = 1, fill = -3>>, %r : memref<8xi32>, %s : memref<5xui16>, %w : memref<5xi8>, %b : memref<1x2x3x2xi8, #rt.channel_major<gap_columns = 1, fill = 5>>) {
  rt.convolve_pixels_s8 %a, %r, %s, %w <input_zp = -3, output_zp = 5> kernel [3, 3] window <padding = [1, 1, 1, 1]> into %b : memref<1x2x3x4xi8, #rt.channel_major<gap_columns = 1, fill = -3>>, memref<8xi32>, memref<5xui16>, memref<5xi8>, memref<1x2x3x2xi8, #rt.channel_major<gap_columns = 1, fill = 5>>
  func.return
}
// CHECK: the gaps of the input are smaller than the padding

// -----

func.func @f(%a : memref<1x2x3x4xi8, #rt.channel_major<gap_rows = 1, gap_columns = 1, fill = -3>>, %r : memref<8xi32>, %s : memref<5xui16>, %w : memref<5xi8>, %b : memref<1x2x3x2xi8, #rt.channel_major<gap_columns = 1, fill = 5>>) {
  rt.convolve_pixels_s8 %a, %r, %s, %w <input_zp = 3, output_zp = 5> kernel [3, 3] window <padding = [1, 1, 1, 1]> into %b : memref<1x2x3x4xi8, #rt.channel_major<gap_rows = 1, gap_columns = 1, fill = -3>>, memref<8xi32>, memref<5xui16>, memref<5xi8>, memref<1x2x3x2xi8, #rt.channel_major<gap_columns = 1, fill = 5>>
  func.return
}
// CHECK: the gaps of the input must hold its zero point

// -----

func.func @f(%a : memref<1x2x3x4xi8, #rt.channel_major<gap_rows = 1, gap_columns = 1, fill = -3>>, %r : memref<8xi32>, %s : memref<5xui16>, %w : memref<5xi8>, %b : memref<1x2x3x2xi8, #rt.channel_major<>>) {
  rt.convolve_pixels_s8 %a, %r, %s, %w <input_zp = -3, output_zp = 5> kernel [3, 3] window <padding = [1, 1, 1, 1]> into %b : memref<1x2x3x4xi8, #rt.channel_major<gap_rows = 1, gap_columns = 1, fill = -3>>, memref<8xi32>, memref<5xui16>, memref<5xi8>, memref<1x2x3x2xi8, #rt.channel_major<>>
  func.return
}
// CHECK: rows of input and output must be as far apart

// -----

func.func @f(%x : memref<40xi8>, %e : memref<256xi32>, %z : memref<1x5x8xi8>, %s : memref<16xi8>) {
  rt.attention_s8 %x, %x, %x over <outer = 1, heads = 2, queries = 4, keys = 5, width = 4, value_width = 4, query = [8, 0, 4, 8], key = [0, 0, 4, 8], value = [0, 0, 4, 8], result = [0, 0, 4, 10]> scores <lhs_zp = 1, rhs_zp = 1, multiplier = 1, shift = -6, output_zp = 2> exponentials %e values <lhs_zp = -128, rhs_zp = 1, multiplier = 1, shift = -7, output_zp = -4> into %z scratch %s : memref<40xi8>, memref<40xi8>, memref<40xi8>, memref<256xi32>, memref<1x5x8xi8>, memref<16xi8>
  func.return
}
// CHECK: memref<1x5x8xi8> does not have 32 elements

// -----

func.func @f(%x : memref<40xi8>, %e : memref<255xi32>, %z : memref<1x5x8xi8>, %s : memref<16xi8>) {
  rt.attention_s8 %x, %x, %x over <outer = 1, heads = 2, queries = 5, keys = 5, width = 4, value_width = 4, query = [0, 0, 4, 8], key = [0, 0, 4, 8], value = [0, 0, 4, 8], result = [0, 0, 4, 8]> scores <lhs_zp = 1, rhs_zp = 1, multiplier = 1, shift = -6, output_zp = 2> exponentials %e values <lhs_zp = -128, rhs_zp = 1, multiplier = 1, shift = -7, output_zp = -4> into %z scratch %s : memref<40xi8>, memref<40xi8>, memref<40xi8>, memref<255xi32>, memref<1x5x8xi8>, memref<16xi8>
  func.return
}
// CHECK: exponentials must have shape 256, got memref<255xi32>

// -----

func.func @f(%x : memref<40xi8>, %e : memref<256xi32>, %z : memref<1x4x8xi8>, %s : memref<16xi8>) {
  rt.attention_s8 %x, %x, %x over <outer = 1, heads = 2, queries = 4, keys = 5, width = 4, value_width = 4, query = [8, 0, 4, 8], key = [0, 0, 4, 8], value = [0, 0, 4, 8], result = [0, 0, 4, 8]> scores <lhs_zp = 1, rhs_zp = 1, multiplier = 1, shift = -6, output_zp = 2> exponentials %e values <lhs_zp = -128, rhs_zp = 1, multiplier = 1, shift = -7, output_zp = -4> into %z scratch %s : memref<40xi8>, memref<40xi8>, memref<40xi8>, memref<256xi32>, memref<1x4x8xi8>, memref<16xi8>
  func.return
}
// CHECK: buffers begin where their first matrix does

// -----

func.func @f(%x : memref<1x2x3x5xi8>, %m : memref<1x2x2x5xi8>, %e : memref<256xi32>) {
  rt.masked_softmax_s8 %x mask %m exponentials %e into %x : memref<1x2x3x5xi8>, memref<1x2x2x5xi8>, memref<256xi32>, memref<1x2x3x5xi8>
  func.return
}
// CHECK: a mask memref<1x2x2x5xi8> does not fit memref<1x2x3x5xi8>
