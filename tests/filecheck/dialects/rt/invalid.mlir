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

func.func @f(%x : memref<1x1x1x1x2xi8>) {
  rt.pad_s8 %x, 0 <low = [0, 0, 0, 0, 0], high = [0, 0, 0, 0, 0]> into %x : memref<1x1x1x1x2xi8>, memref<1x1x1x1x2xi8>
  func.return
}
// CHECK: at most four axes can be padded

// -----

func.func @f(%x : memref<1x2x3xi8>, %v : memref<2xi8>) {
  rt.minimum_s8 %x, %v into %x : memref<1x2x3xi8>, memref<2xi8>, memref<1x2x3xi8>
  func.return
}
// CHECK: memref<2xi8> repeated does not give memref<1x2x3xi8>

// -----

func.func @f(%x : memref<1x2x3xi8>) {
  rt.add_s8 %x, %x sign 2 <input1_zp = 1, input1_multiplier = 2, input1_shift = 3, input2_zp = 4, input2_multiplier = 5, input2_shift = 6, left_shift = 20, output_zp = 7, output_multiplier = 8, output_shift = 9> into %x : memref<1x2x3xi8>, memref<1x2x3xi8>, memref<1x2x3xi8>
  func.return
}
// CHECK: sign must be 1 or -1, got 2

// -----

func.func @f(%x : memref<1x2x3xi8>, %v : memref<2xi8>) {
  rt.prelu_s8 %x, %v <input_zp = 1, alpha_zp = 2, multiplier = 3, shift = -4, alpha_multiplier = 5, alpha_shift = -6, output_zp = 7> into %x : memref<1x2x3xi8>, memref<2xi8>, memref<1x2x3xi8>
  func.return
}
// CHECK: memref<2xi8> repeated does not give memref<1x2x3xi8>
