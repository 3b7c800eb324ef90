// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p alias-buffers --split-input-file | filecheck %s
// RUN: sparsec-opt %s -p alias-buffers,alias-buffers --split-input-file | filecheck %s

// A concatenation is computed in its place, also where it is a result of the caller; one that is part of another one
// first lies there with all its parts.

func.func @main(%x : memref<1x8xi8>, %y : memref<1x24xi8> {sparsec.result}) {
  %a = memref.alloc() : memref<1x8xi8>
  rt.requantize_s8 %x <multiplier = 1> into %a : memref<1x8xi8>, memref<1x8xi8>
  %b = memref.alloc() : memref<8x1xi8>
  %bs = memref.reinterpret_cast %b to offset: [0], sizes: [1, 8], strides: [8, 1] : memref<8x1xi8> to memref<1x8xi8>
  rt.requantize_s8 %x <multiplier = 2> into %bs : memref<1x8xi8>, memref<1x8xi8>
  %ab = memref.alloc() : memref<1x16xi8>
  rt.concatenate_s8 %a axis 1 at 0 into %ab : memref<1x8xi8>, memref<1x16xi8>
  rt.concatenate_s8 %bs axis 1 at 8 into %ab : memref<1x8xi8>, memref<1x16xi8>
  %c = memref.alloc() : memref<1x8xi8>
  rt.requantize_s8 %x <multiplier = 3> into %c : memref<1x8xi8>, memref<1x8xi8>
  rt.concatenate_s8 %c axis 1 at 0 into %y : memref<1x8xi8>, memref<1x24xi8>
  rt.concatenate_s8 %ab axis 1 at 8 into %y : memref<1x16xi8>, memref<1x24xi8>
  func.return
}

// CHECK:      func.func @main(%x: memref<1x8xi8>, %y: memref<1x24xi8> {sparsec.result}) {
// CHECK-NEXT:   %ab = memref.reinterpret_cast %y to offset: [8], sizes: [1, 16], strides: [16, 1]
// CHECK-NEXT:   %a = memref.reinterpret_cast %ab to offset: [0], sizes: [1, 8], strides: [8, 1]
// CHECK-NEXT:   rt.requantize_s8 %x <multiplier = 1> into %a
// CHECK-NEXT:   %b = memref.reinterpret_cast %ab to offset: [8], sizes: [8, 1], strides: [1, 1]
// CHECK-NEXT:   %bs = memref.reinterpret_cast %b to offset: [0], sizes: [1, 8], strides: [8, 1]
// CHECK-NEXT:   rt.requantize_s8 %x <multiplier = 2> into %bs
// CHECK-NEXT:   %c = memref.reinterpret_cast %y to offset: [0], sizes: [1, 8], strides: [8, 1]
// CHECK-NEXT:   rt.requantize_s8 %x <multiplier = 3> into %c
// CHECK-NEXT:   func.return

// -----

// Copies stay: of an input, of what is not in one piece, of the second of two equal parts, at an odd place.

func.func @main(%x : memref<2x4xi8>, %y : memref<2x9xi8> {sparsec.result}, %z : memref<4x4xi8> {sparsec.result}, %o : memref<1x10xi8> {sparsec.result}) {
  rt.concatenate_s8 %x axis 1 at 0 into %y : memref<2x4xi8>, memref<2x9xi8>
  %a = memref.alloc() : memref<2x5xi8>
  rt.pad_s8 %x, 0 <low = [0, 1], high = [0, 0]> into %a : memref<2x4xi8>, memref<2x5xi8>
  rt.concatenate_s8 %a axis 1 at 4 into %y : memref<2x5xi8>, memref<2x9xi8>
  %b = memref.alloc() : memref<2x4xi8>
  rt.requantize_s8 %x <> into %b : memref<2x4xi8>, memref<2x4xi8>
  rt.concatenate_s8 %b axis 0 at 0 into %z : memref<2x4xi8>, memref<4x4xi8>
  rt.concatenate_s8 %b axis 0 at 2 into %z : memref<2x4xi8>, memref<4x4xi8>
  %c = memref.alloc() : memref<1x8xi8>
  %xs = memref.reinterpret_cast %x to offset: [0], sizes: [1, 8], strides: [8, 1] : memref<2x4xi8> to memref<1x8xi8>
  rt.requantize_s8 %xs <> into %c : memref<1x8xi8>, memref<1x8xi8>
  rt.concatenate_s8 %c axis 1 at 2 into %o : memref<1x8xi8>, memref<1x10xi8>
  func.return
}

// CHECK:      func.func @main(%x: memref<2x4xi8>, %y: {{.*}}, %z: {{.*}}, %o: {{.*}}) {
// CHECK-NEXT:   rt.concatenate_s8 %x axis 1 at 0 into %y
// CHECK-NEXT:   %a = memref.alloc
// CHECK-NEXT:   rt.pad_s8
// CHECK-NEXT:   rt.concatenate_s8 %a axis 1 at 4 into %y
// CHECK-NEXT:   %b = memref.reinterpret_cast %z to offset: [0], sizes: [2, 4]
// CHECK-NEXT:   rt.requantize_s8 %x <> into %b
// CHECK-NEXT:   rt.concatenate_s8 %b axis 0 at 2 into %z
// CHECK-NEXT:   %c = memref.alloc
// CHECK-NEXT:   %xs = memref.reinterpret_cast %x
// CHECK-NEXT:   rt.requantize_s8 %xs <> into %c
// CHECK-NEXT:   rt.concatenate_s8 %c axis 1 at 2 into %o
// CHECK-NEXT:   func.return

// -----

// Slices in one piece, and a transpose of axes of one element, are views; the second slice begins at an odd place, the
// third is not in one piece, the last is the caller's.

func.func @main(%x : memref<4x6xi8>, %y : memref<2x6xi8> {sparsec.result}, %z : memref<2x6xi8> {sparsec.result}) {
  %a = memref.alloc() : memref<2x6xi8>
  rt.slice_s8 %x <begin = [2, 0], strides = [1, 1]> into %a : memref<4x6xi8>, memref<2x6xi8>
  %b = memref.alloc() : memref<2x6xi8>
  rt.slice_s8 %x <begin = [1, 0], strides = [1, 1]> into %b : memref<4x6xi8>, memref<2x6xi8>
  %c = memref.alloc() : memref<4x3xi8>
  rt.slice_s8 %x <begin = [0, 0], strides = [1, 1]> into %c : memref<4x6xi8>, memref<4x3xi8>
  %d = memref.alloc() : memref<1x2x6xi8>
  %as = memref.reinterpret_cast %a to offset: [0], sizes: [2, 1, 6], strides: [6, 6, 1] : memref<2x6xi8> to memref<2x1x6xi8>
  rt.transpose_s8 %as [1, 0, 2] into %d : memref<2x1x6xi8>, memref<1x2x6xi8>
  %ds = memref.reinterpret_cast %d to offset: [0], sizes: [2, 6], strides: [6, 1] : memref<1x2x6xi8> to memref<2x6xi8>
  rt.maximum_s8 %ds, %b into %y : memref<2x6xi8>, memref<2x6xi8>, memref<2x6xi8>
  %cs = memref.reinterpret_cast %c to offset: [0], sizes: [2, 6], strides: [6, 1] : memref<4x3xi8> to memref<2x6xi8>
  rt.maximum_s8 %y, %cs into %y : memref<2x6xi8>, memref<2x6xi8>, memref<2x6xi8>
  rt.slice_s8 %x <begin = [2, 0], strides = [1, 1]> into %z : memref<4x6xi8>, memref<2x6xi8>
  func.return
}

// CHECK:      func.func @main(%x: memref<4x6xi8>, %y: {{.*}}, %z: {{.*}}) {
// CHECK-NEXT:   %a = memref.reinterpret_cast %x to offset: [12], sizes: [2, 6], strides: [6, 1]
// CHECK-NEXT:   %b = memref.alloc
// CHECK-NEXT:   rt.slice_s8 %x {{.*}} into %b
// CHECK-NEXT:   %c = memref.alloc
// CHECK-NEXT:   rt.slice_s8 %x {{.*}} into %c
// CHECK-NEXT:   %d = memref.reinterpret_cast %x to offset: [12], sizes: [1, 2, 6]
// CHECK-NEXT:   %as = memref.reinterpret_cast %a to offset: [0], sizes: [2, 1, 6]
// CHECK-NEXT:   %ds = memref.reinterpret_cast %d
// CHECK-NEXT:   rt.maximum_s8 %ds, %b into %y
// CHECK:        rt.slice_s8 %x {{.*}} into %z

// -----

// A small slice does not keep a large buffer alive while more is live than before: the copy stays. A part that is
// written again after it was read stays a copy, too.

func.func @main(%x : memref<4x8xi8>, %y : memref<4x8xi8> {sparsec.result}) {
  %a = memref.alloc() : memref<4x8xi8>
  rt.requantize_s8 %x <> into %a : memref<4x8xi8>, memref<4x8xi8>
  %b = memref.alloc() : memref<1x8xi8>
  rt.slice_s8 %a <begin = [1, 0], strides = [1, 1]> into %b : memref<4x8xi8>, memref<1x8xi8>
  %c = memref.alloc() : memref<4x8xi8>
  rt.pad_s8 %b, 0 <low = [3, 0], high = [0, 0]> into %c : memref<1x8xi8>, memref<4x8xi8>
  %d = memref.alloc() : memref<4x8xi8>
  rt.maximum_s8 %c, %b into %d : memref<4x8xi8>, memref<1x8xi8>, memref<4x8xi8>
  rt.maximum_s8 %d, %b into %y : memref<4x8xi8>, memref<1x8xi8>, memref<4x8xi8>
  func.return
}

// CHECK:      %b = memref.alloc
// CHECK-NEXT: rt.slice_s8 %a

// -----

func.func @main(%x : memref<4x8xi8>, %y : memref<1x8xi8> {sparsec.result}) {
  %a = memref.alloc() : memref<4x8xi8>
  rt.requantize_s8 %x <> into %a : memref<4x8xi8>, memref<4x8xi8>
  %b = memref.alloc() : memref<1x8xi8>
  rt.slice_s8 %a <begin = [1, 0], strides = [1, 1]> into %b : memref<4x8xi8>, memref<1x8xi8>
  rt.requantize_s8 %x <> into %a : memref<4x8xi8>, memref<4x8xi8>
  rt.requantize_s8 %b <> into %y : memref<1x8xi8>, memref<1x8xi8>
  func.return
}

// CHECK:      %b = memref.alloc
// CHECK-NEXT: rt.slice_s8 %a
