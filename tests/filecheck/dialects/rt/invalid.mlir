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
