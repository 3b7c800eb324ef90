// SPDX-License-Identifier: Apache-2.0

// RUN: ROUNDTRIP

func.func @weighted(%x : memref<1x4x4x2xi8>, %e : memref<6xui8>, %c : memref<2xui16>, %b : memref<2xi32>, %y : memref<1x3x3x2xi8>, %s : memref<128xi8>, %row : memref<1x3xi8>, %w : memref<2x3xi8>, %z : memref<1x2xi8>) {
  rt.convolve_delta8_s8 %x, %e, %c, %b requant(%b, %b) <input_zp = 3> kernel [2, 2] window <> into %y scratch %s {layer = "conv"} : memref<1x4x4x2xi8>, memref<6xui8>, memref<2xui16>, memref<2xi32>, memref<2xi32>, memref<2xi32>, memref<1x3x3x2xi8>, memref<128xi8>
  rt.fully_connected_delta8_s8 %row, %e, %c, %b requant(%b, %b) <> into %z : memref<1x3xi8>, memref<6xui8>, memref<2xui16>, memref<2xi32>, memref<2xi32>, memref<2xi32>, memref<1x2xi8>
  rt.fully_connected_per_channel_s8 %row, %w, %b requant(%b, %b) <output_zp = 9> into %z : memref<1x3xi8>, memref<2x3xi8>, memref<2xi32>, memref<2xi32>, memref<2xi32>, memref<1x2xi8>
  func.return
}

// CHECK:      func.func @weighted
// CHECK-NEXT: rt.convolve_delta8_s8 %x, %e, %c, %b requant(%b, %b) <input_zp = 3> kernel [2, 2] window <> into %y scratch %s {layer = "conv"} : memref<1x4x4x2xi8>, memref<6xui8>, memref<2xui16>, memref<2xi32>, memref<2xi32>, memref<2xi32>, memref<1x3x3x2xi8>, memref<128xi8>
// CHECK-NEXT: rt.fully_connected_delta8_s8 %row, %e, %c, %b requant(%b, %b) <> into %z : memref<1x3xi8>, memref<6xui8>, memref<2xui16>,
// CHECK-NEXT: rt.fully_connected_per_channel_s8 %row, %w, %b requant(%b, %b) <output_zp = 9> into %z : memref<1x3xi8>, memref<2x3xi8>,

// -----

func.func @moving(%x : memref<1x2x3xi8>, %t : memref<256xi8>, %y : memref<1x2x3xi8>, %p : memref<1x4x3xi8>, %q : memref<1x3x2xi8>) {
  rt.lookup_s8 %x, %t into %y : memref<1x2x3xi8>, memref<256xi8>, memref<1x2x3xi8>
  rt.requantize_s8 %x <input_zp = 1, multiplier = 1073741824, output_zp = 2> into %y : memref<1x2x3xi8>, memref<1x2x3xi8>
  rt.pad_s8 %x, -128 <low = [0, 1, 0], high = [0, 1, 0]> into %p : memref<1x2x3xi8>, memref<1x4x3xi8>
  rt.transpose_s8 %x [0, 2, 1] into %q : memref<1x2x3xi8>, memref<1x3x2xi8>
  rt.concatenate_s8 %x axis 1 at 2 into %p : memref<1x2x3xi8>, memref<1x4x3xi8>
  func.return
}

// CHECK:      func.func @moving
// CHECK-NEXT: rt.lookup_s8 %x, %t into %y : memref<1x2x3xi8>, memref<256xi8>, memref<1x2x3xi8>
// CHECK-NEXT: rt.requantize_s8 %x <input_zp = 1, multiplier = 1073741824, output_zp = 2> into %y : memref<1x2x3xi8>, memref<1x2x3xi8>
// CHECK-NEXT: rt.pad_s8 %x, -128 <low = [0, 1, 0], high = [0, 1, 0]> into %p : memref<1x2x3xi8>, memref<1x4x3xi8>
// CHECK-NEXT: rt.transpose_s8 %x [0, 2, 1] into %q : memref<1x2x3xi8>, memref<1x3x2xi8>
// CHECK-NEXT: rt.concatenate_s8 %x axis 1 at 2 into %p : memref<1x2x3xi8>, memref<1x4x3xi8>

// -----

func.func @elementwise(%x : memref<1x2x3xi8>, %v : memref<3xi8>, %y : memref<1x2x3xi8>) {
  rt.mul_s8 %x, %v <input1_zp = 1, input2_zp = 2, multiplier = 3, shift = -4, output_zp = 5, clamp = [0, 9]> into %y : memref<1x2x3xi8>, memref<3xi8>, memref<1x2x3xi8>
  rt.add_s8 %v, %x sign -1 <input1_zp = 1, input1_multiplier = 2, input1_shift = 3, input2_zp = 4, input2_multiplier = 5, input2_shift = 6, left_shift = 20, output_zp = 7, output_multiplier = 8, output_shift = 9> into %y : memref<3xi8>, memref<1x2x3xi8>, memref<1x2x3xi8>
  rt.residual_add_s8 %x, %x <multiplier1 = 536870912, multiplier2 = -5, addend = 7, shift = 22, clamp = [0, 9]> into %y : memref<1x2x3xi8>, memref<1x2x3xi8>, memref<1x2x3xi8>
  rt.residual_add_s8 %x, %x <multiplier1 = 536870912, multiplier2 = -5, addend = 7, shift = 22> into %y : memref<1x2x3xi8>, memref<1x2x3xi8>, memref<1x2x3xi8>
  rt.residual_add_rounded_s8 %x, %x <input1_zp = 1, input2_zp = 2, multiplier = 3, shift = -4, output_multiplier = 5, output_shift = -6, output_zp = 7> into %y : memref<1x2x3xi8>, memref<1x2x3xi8>, memref<1x2x3xi8>
  rt.maximum_s8 %x, %x into %y : memref<1x2x3xi8>, memref<1x2x3xi8>, memref<1x2x3xi8>
  rt.minimum_s8 %x, %v into %y : memref<1x2x3xi8>, memref<3xi8>, memref<1x2x3xi8>
  rt.prelu_s8 %x, %v <input_zp = 1, alpha_zp = 2, multiplier = 3, shift = -4, alpha_multiplier = 5, alpha_shift = -6, output_zp = 7> into %y : memref<1x2x3xi8>, memref<3xi8>, memref<1x2x3xi8>
  func.return
}

// CHECK:      func.func @elementwise
// CHECK-NEXT: rt.mul_s8 %x, %v <input1_zp = 1, input2_zp = 2, multiplier = 3, shift = -4, output_zp = 5, clamp = [0, 9]> into %y : memref<1x2x3xi8>, memref<3xi8>, memref<1x2x3xi8>
// CHECK-NEXT: rt.add_s8 %v, %x sign -1 <input1_zp = 1, input1_multiplier = 2, input1_shift = 3, input2_zp = 4, input2_multiplier = 5, input2_shift = 6, left_shift = 20, output_zp = 7, output_multiplier = 8, output_shift = 9> into %y : memref<3xi8>, memref<1x2x3xi8>, memref<1x2x3xi8>
// CHECK-NEXT: rt.residual_add_s8 %x, %x <multiplier1 = 536870912, multiplier2 = -5, addend = 7, shift = 22, clamp = [0, 9]> into %y : memref<1x2x3xi8>, memref<1x2x3xi8>, memref<1x2x3xi8>
// CHECK-NEXT: rt.residual_add_s8 %x, %x <multiplier1 = 536870912, multiplier2 = -5, addend = 7, shift = 22> into %y : memref<1x2x3xi8>, memref<1x2x3xi8>, memref<1x2x3xi8>
// CHECK-NEXT: rt.residual_add_rounded_s8 %x, %x <input1_zp = 1, input2_zp = 2, multiplier = 3, shift = -4, output_multiplier = 5, output_shift = -6, output_zp = 7> into %y : memref<1x2x3xi8>, memref<1x2x3xi8>, memref<1x2x3xi8>
// CHECK-NEXT: rt.maximum_s8 %x, %x into %y : memref<1x2x3xi8>, memref<1x2x3xi8>, memref<1x2x3xi8>
// CHECK-NEXT: rt.minimum_s8 %x, %v into %y : memref<1x2x3xi8>, memref<3xi8>, memref<1x2x3xi8>
// CHECK-NEXT: rt.prelu_s8 %x, %v <input_zp = 1, alpha_zp = 2, multiplier = 3, shift = -4, alpha_multiplier = 5, alpha_shift = -6, output_zp = 7> into %y : memref<1x2x3xi8>, memref<3xi8>, memref<1x2x3xi8>

// -----

func.func @movement(%x : memref<1x4x3x2xi8>, %y : memref<1x2x3x1xi8>, %rows : memref<3xui16>, %columns : memref<2xui16>, %z : memref<1x3x2x2xi8>, %v : memref<1x2x2x1xi8>) {
  rt.slice_s8 %x <begin = [0, 3, 0, 1], strides = [1, -2, 1, 1]> into %y : memref<1x4x3x2xi8>, memref<1x2x3x1xi8>
  rt.resize_nearest_s8 %x, %rows, %columns into %z : memref<1x4x3x2xi8>, memref<3xui16>, memref<2xui16>, memref<1x3x2x2xi8>
  rt.gather_s8 %y, %columns axis 2 into %v : memref<1x2x3x1xi8>, memref<2xui16>, memref<1x2x2x1xi8>
  func.return
}

// CHECK:      func.func @movement
// CHECK-NEXT: rt.slice_s8 %x <begin = [0, 3, 0, 1], strides = [1, -2, 1, 1]> into %y : memref<1x4x3x2xi8>, memref<1x2x3x1xi8>
// CHECK-NEXT: rt.resize_nearest_s8 %x, %rows, %columns into %z : memref<1x4x3x2xi8>, memref<3xui16>, memref<2xui16>, memref<1x3x2x2xi8>
// CHECK-NEXT: rt.gather_s8 %y, %columns axis 2 into %v : memref<1x2x3x1xi8>, memref<2xui16>, memref<1x2x2x1xi8>

// -----

func.func @reductions(%x : memref<1x12x2xi8>, %y : memref<1x1x2xi8>, %i : memref<1x1x2xi32>) {
  rt.mean_s8 %x <input_zp = 3, multiplier = 1431655765, shift = -3> into %y : memref<1x12x2xi8>, memref<1x1x2xi8>
  rt.reduce_max_s8 %x into %y {layer = "max"} : memref<1x12x2xi8>, memref<1x1x2xi8>
  rt.reduce_min_s8 %x into %y : memref<1x12x2xi8>, memref<1x1x2xi8>
  rt.arg_max_s8 %x into %i {layer = "class"} : memref<1x12x2xi8>, memref<1x1x2xi32>
  rt.arg_min_s8 %x into %i : memref<1x12x2xi8>, memref<1x1x2xi32>
  func.return
}

// CHECK:      func.func @reductions
// CHECK-NEXT: rt.mean_s8 %x <input_zp = 3, multiplier = 1431655765, shift = -3> into %y : memref<1x12x2xi8>, memref<1x1x2xi8>
// CHECK-NEXT: rt.reduce_max_s8 %x into %y {layer = "max"} : memref<1x12x2xi8>, memref<1x1x2xi8>
// CHECK-NEXT: rt.reduce_min_s8 %x into %y : memref<1x12x2xi8>, memref<1x1x2xi8>
// CHECK-NEXT: rt.arg_max_s8 %x into %i {layer = "class"} : memref<1x12x2xi8>, memref<1x1x2xi32>
// CHECK-NEXT: rt.arg_min_s8 %x into %i : memref<1x12x2xi8>, memref<1x1x2xi32>

// -----

func.func @transposed(%x : memref<1x3x3x2xi8>, %w : memref<4x2x2x2xi8>, %b : memref<4xi32>, %y : memref<1x6x6x4xi8>) {
  rt.transpose_conv_s8 %x, %w, %b requant(%b, %b) <input_zp = 3> window <strides = [2, 2]> into %y : memref<1x3x3x2xi8>, memref<4x2x2x2xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x6x6x4xi8>
  func.return
}

// CHECK:      func.func @transposed
// CHECK-NEXT: rt.transpose_conv_s8 %x, %w, %b requant(%b, %b) <input_zp = 3> window <strides = [2, 2]> into %y : memref<1x3x3x2xi8>, memref<4x2x2x2xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x6x6x4xi8>

// -----

func.func @sparse_fully_connected(%x : memref<1x5xi8>, %r : memref<2x3xi32>, %r4 : memref<4x3xi32>, %w : memref<6xi32>, %p : memref<3xui8>, %y : memref<1x2xi8>, %wide : memref<1x16xi8>, %wide1 : memref<16xi8>, %h : memref<2xui16>, %v : memref<3xi8>, %h16 : memref<2xi16>, %n : memref<1xui32>, %b : memref<2xi32>) {
  rt.fully_connected_table_s8 %x, %r, %w, %p saturating <output_zp = 9> into %y : memref<1x5xi8>, memref<2x3xi32>, memref<6xi32>, memref<3xui8>, memref<1x2xi8>
  rt.fully_connected_1x4_s8 %x, %r, %p, %w <clamp = [0, 127]> into %y : memref<1x5xi8>, memref<2x3xi32>, memref<3xui8>, memref<6xi32>, memref<1x2xi8>
  rt.fully_connected_4x1_s8 %x, %r4, %w saturating <> into %y : memref<1x5xi8>, memref<4x3xi32>, memref<6xi32>, memref<1x2xi8>
  rt.fully_connected_4x1_w16_s8 %x, %r4, %w <> into %y : memref<1x5xi8>, memref<4x3xi32>, memref<6xi32>, memref<1x2xi8>
  rt.fully_connected_dense_s8 %x, %r4, %w saturating <> into %y : memref<1x5xi8>, memref<4x3xi32>, memref<6xi32>, memref<1x2xi8>
  rt.fully_connected_gather_s8 %wide, %r4, %p, %h saturating <> into %y : memref<1x16xi8>, memref<4x3xi32>, memref<3xui8>, memref<2xui16>, memref<1x2xi8>
  rt.fully_connected_gather_1x4_s8 %wide, %r4, %w <> into %y scratch %wide1 : memref<1x16xi8>, memref<4x3xi32>, memref<6xi32>, memref<1x2xi8>, memref<16xi8>
  rt.fully_connected_1x16_s8 %wide, %r4, %wide1, %h <> into %y : memref<1x16xi8>, memref<4x3xi32>, memref<16xi8>, memref<2xui16>, memref<1x2xi8>
  rt.fully_connected_dcsr_s8 %wide weights(%v, %h16, %p, %v, %p, %h, %n), %b requant(%b, %b) <output_zp = 9> into %y : memref<1x16xi8>, (memref<3xi8>, memref<2xi16>, memref<3xui8>, memref<3xi8>, memref<3xui8>, memref<2xui16>, memref<1xui32>), memref<2xi32>, memref<2xi32>, memref<2xi32>, memref<1x2xi8>
  func.return
}

// CHECK:      func.func @sparse_fully_connected
// CHECK-NEXT: rt.fully_connected_table_s8 %x, %r, %w, %p saturating <output_zp = 9> into %y : memref<1x5xi8>, memref<2x3xi32>, memref<6xi32>, memref<3xui8>, memref<1x2xi8>
// CHECK-NEXT: rt.fully_connected_1x4_s8 %x, %r, %p, %w <clamp = [0, 127]> into %y : memref<1x5xi8>, memref<2x3xi32>, memref<3xui8>, memref<6xi32>, memref<1x2xi8>
// CHECK-NEXT: rt.fully_connected_4x1_s8 %x, %r4, %w saturating <> into %y : memref<1x5xi8>, memref<4x3xi32>, memref<6xi32>, memref<1x2xi8>
// CHECK-NEXT: rt.fully_connected_4x1_w16_s8 %x, %r4, %w <> into %y : memref<1x5xi8>, memref<4x3xi32>, memref<6xi32>, memref<1x2xi8>
// CHECK-NEXT: rt.fully_connected_dense_s8 %x, %r4, %w saturating <> into %y : memref<1x5xi8>, memref<4x3xi32>, memref<6xi32>, memref<1x2xi8>
// CHECK-NEXT: rt.fully_connected_gather_s8 %wide, %r4, %p, %h saturating <> into %y : memref<1x16xi8>, memref<4x3xi32>, memref<3xui8>, memref<2xui16>, memref<1x2xi8>
// CHECK-NEXT: rt.fully_connected_gather_1x4_s8 %wide, %r4, %w <> into %y scratch %wide1 : memref<1x16xi8>, memref<4x3xi32>, memref<6xi32>, memref<1x2xi8>, memref<16xi8>
// CHECK-NEXT: rt.fully_connected_1x16_s8 %wide, %r4, %wide1, %h <> into %y : memref<1x16xi8>, memref<4x3xi32>, memref<16xi8>, memref<2xui16>, memref<1x2xi8>
// CHECK-NEXT: rt.fully_connected_dcsr_s8 %wide weights(%v, %h16, %p, %v, %p, %h, %n), %b requant(%b, %b) <output_zp = 9> into %y : memref<1x16xi8>, (memref<3xi8>, memref<2xi16>, memref<3xui8>, memref<3xi8>, memref<3xui8>, memref<2xui16>, memref<1xui32>), memref<2xi32>, memref<2xi32>, memref<2xi32>, memref<1x2xi8>

// -----

func.func @packed(%x : memref<1x4x5x2xi8>, %r : memref<9xi32>, %y : memref<1x2x4x3xi8>, %s : memref<52xi8>) {
  rt.convolve_packed_s8 %x, %r <input_zp = 3> kernel [2, 2] window <strides = [2, 1]> into %y scratch %s {layer = "conv"} : memref<1x4x5x2xi8>, memref<9xi32>, memref<1x2x4x3xi8>, memref<52xi8>
  func.return
}

// CHECK:      func.func @packed
// CHECK-NEXT: rt.convolve_packed_s8 %x, %r <input_zp = 3> kernel [2, 2] window <strides = [2, 1]> into %y scratch %s {layer = "conv"} : memref<1x4x5x2xi8>, memref<9xi32>, memref<1x2x4x3xi8>, memref<52xi8>

// -----

func.func @quads(%x : memref<1x8x8x16xi8>, %r : memref<9xi32>, %y : memref<1x8x8x3xi8>, %s : memref<480xi8>) {
  rt.convolve_runs_s8 %x, %r <input_zp = 3> kernel [3, 3] window <padding = [1, 1, 1, 1]> into %y scratch %s {layer = "conv"} : memref<1x8x8x16xi8>, memref<9xi32>, memref<1x8x8x3xi8>, memref<480xi8>
  rt.convolve_1x16_s8 %x, %r <input_zp = 3> kernel [3, 3] window <padding = [1, 1, 1, 1]> into %y scratch %s {layer = "conv"} : memref<1x8x8x16xi8>, memref<9xi32>, memref<1x8x8x3xi8>, memref<480xi8>
  rt.convolve_1x4_s8 %x, %r <input_zp = 3> kernel [3, 3] window <padding = [1, 1, 1, 1]> into %y scratch %s {layer = "conv"} : memref<1x8x8x16xi8>, memref<9xi32>, memref<1x8x8x3xi8>, memref<480xi8>
  func.return
}

// CHECK:      func.func @quads
// CHECK-NEXT: rt.convolve_runs_s8 %x, %r <input_zp = 3> kernel [3, 3] window <padding = [1, 1, 1, 1]> into %y scratch %s {layer = "conv"} : memref<1x8x8x16xi8>, memref<9xi32>, memref<1x8x8x3xi8>, memref<480xi8>
// CHECK-NEXT: rt.convolve_1x16_s8 %x, %r <input_zp = 3> kernel [3, 3] window <padding = [1, 1, 1, 1]> into %y scratch %s {layer = "conv"} : memref<1x8x8x16xi8>, memref<9xi32>, memref<1x8x8x3xi8>, memref<480xi8>
// CHECK-NEXT: rt.convolve_1x4_s8 %x, %r <input_zp = 3> kernel [3, 3] window <padding = [1, 1, 1, 1]> into %y scratch %s {layer = "conv"} : memref<1x8x8x16xi8>, memref<9xi32>, memref<1x8x8x3xi8>, memref<480xi8>

// -----

func.func @depthwise(%x : memref<1x4x5x2xi8>, %r : memref<9xi32>, %y : memref<1x2x4x4xi8>, %s : memref<72xi8>) {
  rt.depthwise_convolve_delta8_s8 %x, %r <input_zp = 3> kernel [2, 2] window <strides = [2, 1]> into %y scratch %s {layer = "dw"} : memref<1x4x5x2xi8>, memref<9xi32>, memref<1x2x4x4xi8>, memref<72xi8>
  func.return
}

// CHECK:      func.func @depthwise
// CHECK-NEXT: rt.depthwise_convolve_delta8_s8 %x, %r <input_zp = 3> kernel [2, 2] window <strides = [2, 1]> into %y scratch %s {layer = "dw"} : memref<1x4x5x2xi8>, memref<9xi32>, memref<1x2x4x4xi8>, memref<72xi8>

// -----

func.func @depthwise_3x3(%x : memref<1x6x5x7xi8>, %r : memref<65xi32>, %y : memref<1x3x3x7xi8>, %s : memref<200xi8>, %u : memref<1x3x2x7xi8>, %t : memref<160xi8>) {
  rt.depthwise_convolve_3x3_s8 %x, %r <input_zp = 3> window <strides = [2, 2], padding = [1, 1, 0, 1]> into %y scratch %s {layer = "dw"} : memref<1x6x5x7xi8>, memref<65xi32>, memref<1x3x3x7xi8>, memref<200xi8>
  rt.depthwise_convolve_3x3_s8 %x, %r <> window <strides = [2, 2], padding = [0, 0, 1, 0]> into %u scratch %t : memref<1x6x5x7xi8>, memref<65xi32>, memref<1x3x2x7xi8>, memref<160xi8>
  func.return
}

// CHECK:      func.func @depthwise_3x3
// CHECK-NEXT: rt.depthwise_convolve_3x3_s8 %x, %r <input_zp = 3> window <strides = [2, 2], padding = [1, 1, 0, 1]> into %y scratch %s {layer = "dw"} : memref<1x6x5x7xi8>, memref<65xi32>, memref<1x3x3x7xi8>, memref<200xi8>
// CHECK-NEXT: rt.depthwise_convolve_3x3_s8 %x, %r <> window <strides = [2, 2], padding = [0, 0, 1, 0]> into %u scratch %t : memref<1x6x5x7xi8>, memref<65xi32>, memref<1x3x2x7xi8>, memref<160xi8>

// -----

func.func @depthwise_lanes(%x : memref<1x6x5x7xi8>, %r : memref<42xi32>, %y : memref<1x3x3x7xi8>, %s : memref<336xi8>) {
  rt.depthwise_convolve_lanes_s8 %x, %r <input_zp = 3> kernel [3, 3] window <strides = [2, 2], padding = [1, 1, 0, 1]> into %y scratch %s {layer = "dw"} : memref<1x6x5x7xi8>, memref<42xi32>, memref<1x3x3x7xi8>, memref<336xi8>
  func.return
}

// CHECK:      func.func @depthwise_lanes
// CHECK-NEXT: rt.depthwise_convolve_lanes_s8 %x, %r <input_zp = 3> kernel [3, 3] window <strides = [2, 2], padding = [1, 1, 0, 1]> into %y scratch %s {layer = "dw"} : memref<1x6x5x7xi8>, memref<42xi32>, memref<1x3x3x7xi8>, memref<336xi8>

// -----

func.func @decoders(%v : memref<6xi8>, %o : memref<3xi16>, %b : memref<3xui8>, %b16 : memref<16xui8>, %w : memref<3xui16>, %p : memref<4xui16>, %wide : memref<4xui32>, %n : memref<1xui32>, %e : memref<8xui8>, %c : memref<3xui16>) {
  rt.decode_delta4_s8 %v, %b, %w as <delta4> columns 4 into %e, %c {layer = "conv"} : memref<6xi8>, memref<3xui8>, memref<3xui16>, memref<8xui8>, memref<3xui16>
  rt.decode_bitmap_s8 %v, %b as <bitmap> columns 4 into %e, %c : memref<6xi8>, memref<3xui8>, memref<8xui8>, memref<3xui16>
  rt.decode_csr_s8 %v, %b, %p as <csr> columns 4 into %e, %c : memref<6xi8>, memref<3xui8>, memref<4xui16>, memref<8xui8>, memref<3xui16>
  rt.decode_csr_s8 %v, %w, %wide as <csr> columns 65536 into %e, %c : memref<6xi8>, memref<3xui16>, memref<4xui32>, memref<8xui8>, memref<3xui16>
  rt.decode_nm_s8 %v, %b as <nm, n = 2, m = 4> columns 4 into %e, %c : memref<6xi8>, memref<3xui8>, memref<8xui8>, memref<3xui16>
  rt.decode_row_block_s8 %b, %w as <block, rows = 1, columns = 2> columns 4 into %e, %c : memref<3xui8>, memref<3xui16>, memref<8xui8>, memref<3xui16>
  rt.decode_block_s8 %v, %b, %w as <block, rows = 2, columns = 1> columns 4 into %e, %c : memref<6xi8>, memref<3xui8>, memref<3xui16>, memref<8xui8>, memref<3xui16>
  rt.decode_dcsr_s8 %v, %o, %b16, %v, %b, %w, %n as <dcsr> columns 4 into %e, %c : memref<6xi8>, memref<3xi16>, memref<16xui8>, memref<6xi8>, memref<3xui8>, memref<3xui16>, memref<1xui32>, memref<8xui8>, memref<3xui16>
  rt.decode_block_rle_s8 %v as <block-rle, size = 2> columns 4 into %e, %c : memref<6xi8>, memref<8xui8>, memref<3xui16>
  func.return
}

// CHECK:      func.func @decoders
// CHECK-NEXT: rt.decode_delta4_s8 %v, %b, %w as <delta4> columns 4 into %e, %c {layer = "conv"} : memref<6xi8>, memref<3xui8>, memref<3xui16>, memref<8xui8>, memref<3xui16>
// CHECK-NEXT: rt.decode_bitmap_s8 %v, %b as <bitmap> columns 4 into %e, %c : memref<6xi8>, memref<3xui8>, memref<8xui8>, memref<3xui16>
// CHECK-NEXT: rt.decode_csr_s8 %v, %b, %p as <csr> columns 4 into %e, %c : memref<6xi8>, memref<3xui8>, memref<4xui16>, memref<8xui8>, memref<3xui16>
// CHECK-NEXT: rt.decode_csr_s8 %v, %w, %wide as <csr> columns 65536 into %e, %c : memref<6xi8>, memref<3xui16>, memref<4xui32>, memref<8xui8>, memref<3xui16>
// CHECK-NEXT: rt.decode_nm_s8 %v, %b as <nm, n = 2, m = 4> columns 4 into %e, %c : memref<6xi8>, memref<3xui8>, memref<8xui8>, memref<3xui16>
// CHECK-NEXT: rt.decode_row_block_s8 %b, %w as <block, rows = 1, columns = 2> columns 4 into %e, %c : memref<3xui8>, memref<3xui16>, memref<8xui8>, memref<3xui16>
// CHECK-NEXT: rt.decode_block_s8 %v, %b, %w as <block, rows = 2, columns = 1> columns 4 into %e, %c : memref<6xi8>, memref<3xui8>, memref<3xui16>, memref<8xui8>, memref<3xui16>
// CHECK-NEXT: rt.decode_dcsr_s8 %v, %o, %b16, %v, %b, %w, %n as <dcsr> columns 4 into %e, %c : memref<6xi8>, memref<3xi16>, memref<16xui8>, memref<6xi8>, memref<3xui8>, memref<3xui16>, memref<1xui32>, memref<8xui8>, memref<3xui16>
// CHECK-NEXT: rt.decode_block_rle_s8 %v as <block-rle, size = 2> columns 4 into %e, %c : memref<6xi8>, memref<8xui8>, memref<3xui16>

// -----

func.func @decoded(%x : memref<1x4xi8>, %v : memref<6xi8>, %b : memref<3xui8>, %i : memref<3xi32>, %y : memref<1x3xi8>, %s : memref<12xi8>) {
  rt.fully_connected_decoded_s8 %x weights(%v, %b) as <bitmap> rows 2, %i requant(%i, %i) <> into %y scratch %s {layer = "fc"} : memref<1x4xi8>, (memref<6xi8>, memref<3xui8>), memref<3xi32>, memref<3xi32>, memref<3xi32>, memref<1x3xi8>, memref<12xi8>
  rt.fully_connected_decoded_s8 %x weights(%v) as <block-rle, size = 2> rows 1, %i requant(%i, %i) <input_zp = 3> into %y scratch %s : memref<1x4xi8>, (memref<6xi8>), memref<3xi32>, memref<3xi32>, memref<3xi32>, memref<1x3xi8>, memref<12xi8>
  func.return
}

// CHECK:      func.func @decoded
// CHECK-NEXT: rt.fully_connected_decoded_s8 %x weights(%v, %b) as <bitmap> rows 2, %i requant(%i, %i) <> into %y scratch %s {layer = "fc"} : memref<1x4xi8>, (memref<6xi8>, memref<3xui8>), memref<3xi32>, memref<3xi32>, memref<3xi32>, memref<1x3xi8>, memref<12xi8>
// CHECK-NEXT: rt.fully_connected_decoded_s8 %x weights(%v) as <block-rle, size = 2> rows 1, %i requant(%i, %i) <input_zp = 3> into %y scratch %s : memref<1x4xi8>, (memref<6xi8>), memref<3xi32>, memref<3xi32>, memref<3xi32>, memref<1x3xi8>, memref<12xi8>

// -----

func.func @strips(%x : memref<1x5x5x2xi8>, %w : memref<4x3x3x2xi8>, %dw : memref<1x3x3x4xi8>, %b : memref<4xi32>, %y : memref<1x2x2x4xi8>, %s : memref<72xi8>, %r : memref<9xi32>, %z : memref<1x4x4x3xi8>, %t : memref<52xi8>, %e : memref<6xui8>, %c : memref<4xui16>) {
  rt.convolve_strips_s8 strip 1 of %x, %w, %b requant(%b, %b) <input_zp = 3> window <strides = [2, 2]> into %y scratch %s : memref<72xi8> {layer = "conv1"} : memref<1x5x5x2xi8>, memref<4x3x3x2xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x2x2x4xi8>
  rt.depthwise_conv_strips_s8 strip 2 of %x, %dw, %b requant(%b, %b) <> window <strides = [2, 2]> into %y : memref<1x5x5x2xi8>, memref<1x3x3x4xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x2x2x4xi8>
  rt.convolve_packed_strips_s8 strip 2 of %x, %r <input_zp = 3> kernel [2, 2] window <> into %z scratch %t : memref<1x5x5x2xi8>, memref<9xi32>, memref<1x4x4x3xi8>, memref<52xi8>
  rt.convolve_delta8_strips_s8 strip 1 of %x, %e, %c, %b requant(%b, %b) <input_zp = 3> kernel [3, 3] window <strides = [2, 2]> into %y scratch %s : memref<1x5x5x2xi8>, memref<6xui8>, memref<4xui16>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x2x2x4xi8>, memref<72xi8>
  func.return
}

// CHECK:      func.func @strips
// CHECK-NEXT: rt.convolve_strips_s8 strip 1 of %x, %w, %b requant(%b, %b) <input_zp = 3> window <strides = [2, 2]> into %y scratch %s : memref<72xi8> {layer = "conv1"} : memref<1x5x5x2xi8>, memref<4x3x3x2xi8>,
// CHECK-NEXT: rt.depthwise_conv_strips_s8 strip 2 of %x, %dw, %b requant(%b, %b) <> window <strides = [2, 2]> into %y : memref<1x5x5x2xi8>,
// CHECK-NEXT: rt.convolve_packed_strips_s8 strip 2 of %x, %r <input_zp = 3> kernel [2, 2] window <> into %z scratch %t : memref<1x5x5x2xi8>, memref<9xi32>, memref<1x4x4x3xi8>, memref<52xi8>
// CHECK-NEXT: rt.convolve_delta8_strips_s8 strip 1 of %x, %e, %c, %b requant(%b, %b) <input_zp = 3> kernel [3, 3] window <strides = [2, 2]> into %y scratch %s : memref<1x5x5x2xi8>, memref<6xui8>, memref<4xui16>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x2x2x4xi8>, memref<72xi8>

// -----

func.func @fused(%x : memref<1x5x5x2xi8>, %w : memref<4x1x1x2xi8>, %dw : memref<1x3x3x4xi8>, %b : memref<4xi32>, %y : memref<1x2x2x4xi8>, %s : memref<64xi8>) {
  rt.point_depthwise_s8 %x point %w, %b requant(%b, %b) <input_zp = 3> depthwise %dw, %b requant(%b, %b) <> window <strides = [2, 2]> into %y scratch %s {layer = "pw+dw"} : memref<1x5x5x2xi8>, memref<4x1x1x2xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x3x3x4xi8>, memref<4xi32>, memref<4xi32>, memref<4xi32>, memref<1x2x2x4xi8>, memref<64xi8>
  func.return
}

// CHECK:      func.func @fused
// CHECK-NEXT: rt.point_depthwise_s8 %x point %w, %b requant(%b, %b) <input_zp = 3> depthwise %dw, %b requant(%b, %b) <> window <strides = [2, 2]> into %y scratch %s {layer = "pw+dw"} : memref<1x5x5x2xi8>,

// -----

func.func @resampling(%x : memref<1x4x3x2xi8>, %i : memref<5xui16>, %a : memref<5x2xi16>, %j : memref<2xui16>, %b : memref<2x3xi16>, %y : memref<1x5x2x2xi8>) {
  rt.resample_s8 %x, %i by %a, %j by %b <multiplier = 5> into %y : memref<1x4x3x2xi8>, memref<5xui16>, memref<5x2xi16>, memref<2xui16>, memref<2x3xi16>, memref<1x5x2x2xi8>
  func.return
}

// CHECK:      func.func @resampling
// CHECK-NEXT: rt.resample_s8 %x, %i by %a, %j by %b <multiplier = 5> into %y : memref<1x4x3x2xi8>, memref<5xui16>, memref<5x2xi16>, memref<2xui16>, memref<2x3xi16>, memref<1x5x2x2xi8>

// -----

func.func @normalization(%x : memref<1x4x3x2xi8>, %y : memref<1x4x3x2xi8>, %c : memref<2xi32>) {
  rt.normalize_s8 %x, %c requant(%c, %c) <groups = 2, epsilon = 41> into %y : memref<1x4x3x2xi8>, memref<2xi32>, memref<2xi32>, memref<2xi32>, memref<1x4x3x2xi8>
  func.return
}

// CHECK:      func.func @normalization
// CHECK-NEXT: rt.normalize_s8 %x, %c requant(%c, %c) <groups = 2, epsilon = 41> into %y : memref<1x4x3x2xi8>, memref<2xi32>, memref<2xi32>, memref<2xi32>, memref<1x4x3x2xi8>

// -----

func.func @of_integers(%image : memref<12xui8>, %x : memref<12xi8>, %table : memref<5x3xi8>, %i : memref<1x4xi32>, %y : memref<1x4x3xi8>, %j : memref<1x4xi32>) {
  rt.from_uint8_s8 %image into %x {layer = "image"} : memref<12xui8>, memref<12xi8>
  rt.embedding_s8 %table, %i into %y {layer = "words"} : memref<5x3xi8>, memref<1x4xi32>, memref<1x4x3xi8>
  rt.concatenate_s8 %i axis 0 at 0 into %j : memref<1x4xi32>, memref<1x4xi32>
  func.return
}

// CHECK:      func.func @of_integers
// CHECK-NEXT: rt.from_uint8_s8 %image into %x {layer = "image"} : memref<12xui8>, memref<12xi8>
// CHECK-NEXT: rt.embedding_s8 %table, %i into %y {layer = "words"} : memref<5x3xi8>, memref<1x4xi32>, memref<1x4x3xi8>
// CHECK-NEXT: rt.concatenate_s8 %i axis 0 at 0 into %j : memref<1x4xi32>, memref<1x4xi32>

// -----

func.func @selected(%m : memref<2xi8>, %x : memref<1x4x2xi8>, %y : memref<1xi8>, %z : memref<1x4x2xi8>) {
  rt.select_s8 %m, %x, %y into %z {layer = "fill"} : memref<2xi8>, memref<1x4x2xi8>, memref<1xi8>, memref<1x4x2xi8>
  func.return
}

// CHECK:      func.func @selected
// CHECK-NEXT: rt.select_s8 %m, %x, %y into %z {layer = "fill"} : memref<2xi8>, memref<1x4x2xi8>, memref<1xi8>, memref<1x4x2xi8>

// -----

func.func @long_rows(%x : memref<1x600xi8>, %y : memref<1x600xi8>) {
  rt.softmax_s8 %x <multiplier = 1073741824, shift = 20, diff_min = -248> into %y {layer = "probability"} : memref<1x600xi8>, memref<1x600xi8>
  func.return
}

// CHECK:      func.func @long_rows
// CHECK-NEXT: rt.softmax_s8 %x <multiplier = 1073741824, shift = 20, diff_min = -248> into %y {layer = "probability"} : memref<1x600xi8>, memref<1x600xi8>

// -----

func.func @pixels(%x : memref<1x2x3x4xi8>, %r : memref<8xi32>, %s : memref<5xui16>, %w : memref<5xi8>, %y : memref<1x2x3x2xi8>) {
  %m = memref.alloc() : memref<57xi8>
  %a = memref.reinterpret_cast %m to offset: [0], sizes: [1, 2, 3, 4], strides: [57, 4, 1, 12] : memref<57xi8> to memref<1x2x3x4xi8, #rt.channel_major<gap_rows = 1, gap_columns = 1, fill = -3>>
  rt.to_channel_major_s8 %x into %a : memref<1x2x3x4xi8>, memref<1x2x3x4xi8, #rt.channel_major<gap_rows = 1, gap_columns = 1, fill = -3>>
  %n = memref.alloc() : memref<21xi8>
  %b = memref.reinterpret_cast %n to offset: [0], sizes: [1, 2, 3, 2], strides: [21, 4, 1, 8] : memref<21xi8> to memref<1x2x3x2xi8, #rt.channel_major<gap_columns = 1, fill = 5>>
  rt.convolve_pixels_s8 %a, %r, %s, %w <input_zp = -3, output_zp = 5> kernel [3, 3] window <padding = [1, 1, 1, 1]> into %b : memref<1x2x3x4xi8, #rt.channel_major<gap_rows = 1, gap_columns = 1, fill = -3>>, memref<8xi32>, memref<5xui16>, memref<5xi8>, memref<1x2x3x2xi8, #rt.channel_major<gap_columns = 1, fill = 5>>
  rt.from_channel_major_s8 %b into %y : memref<1x2x3x2xi8, #rt.channel_major<gap_columns = 1, fill = 5>>, memref<1x2x3x2xi8>
  func.return
}
// CHECK: memref<57xi8> to memref<1x2x3x4xi8, #rt.channel_major<gap_rows = 1, gap_columns = 1, fill = -3>>
// CHECK: rt.to_channel_major_s8 %x into %a
// CHECK: rt.convolve_pixels_s8 %a, %r, %s, %w <input_zp = -3, output_zp = 5> kernel [3, 3] window <padding = [1, 1, 1, 1]> into %b
// CHECK: rt.from_channel_major_s8 %b into %y

func.func @calls(%a : memref<1x2x3x4xi8>, %b : memref<1x2x5x4xi8>, %y : memref<1x2x3x5xi8>, %w : memref<1x2x3x5xi8>, %s : memref<16xi8>, %x : memref<40xi8>, %m : memref<1x1x1x5xi8>, %e : memref<256xi32>, %z : memref<1x5x8xi8>) {
  rt.batch_matmul_s8 %a, %b transposed <lhs_zp = 1, rhs_zp = 2, multiplier = 1073741824, shift = -6, output_zp = 3> into %y scratch %s : memref<16xi8> {layer = "scores"} : memref<1x2x3x4xi8>, memref<1x2x5x4xi8>, memref<1x2x3x5xi8>
  rt.masked_softmax_s8 %y mask %m exponentials %e into %w : memref<1x2x3x5xi8>, memref<1x1x1x5xi8>, memref<256xi32>, memref<1x2x3x5xi8>
  rt.attention_s8 %x, %x, %x mask %m : memref<1x1x1x5xi8> over <outer = 1, heads = 2, queries = 5, keys = 5, width = 4, value_width = 4, query = [0, 0, 4, 8], key = [0, 0, 4, 8], value = [0, 0, 4, 8], result = [0, 0, 4, 8]> scores <lhs_zp = 1, rhs_zp = 1, multiplier = 1073741824, shift = -6, output_zp = 2> exponentials %e values <lhs_zp = -128, rhs_zp = 1, multiplier = 1073741824, shift = -7, output_zp = -4> into %z scratch %s : memref<40xi8>, memref<40xi8>, memref<40xi8>, memref<256xi32>, memref<1x5x8xi8>, memref<16xi8>
  func.return
}

// CHECK:      rt.batch_matmul_s8 %a, %b transposed <lhs_zp = 1, rhs_zp = 2, multiplier = 1073741824, shift = -6, output_zp = 3> into %y scratch %s : memref<16xi8> {layer = "scores"} : memref<1x2x3x4xi8>, memref<1x2x5x4xi8>, memref<1x2x3x5xi8>
// CHECK-NEXT: rt.masked_softmax_s8 %y mask %m exponentials %e into %w : memref<1x2x3x5xi8>, memref<1x1x1x5xi8>, memref<256xi32>, memref<1x2x3x5xi8>
// CHECK-NEXT: rt.attention_s8 %x, %x, %x mask %m : memref<1x1x1x5xi8> over <outer = 1, {{.*}}> scores <{{.*}}> exponentials %e values <{{.*}}> into %z scratch %s : memref<40xi8>, memref<40xi8>, memref<40xi8>, memref<256xi32>, memref<1x5x8xi8>, memref<16xi8>
