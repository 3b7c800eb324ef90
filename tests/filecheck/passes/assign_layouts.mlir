// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p "assign-layouts{target=cortex-m55}" --split-input-file | filecheck %s
// RUN: sparsec-opt %s -p "assign-layouts{target=cortex-m4}" --split-input-file --verify-diagnostics | filecheck %s --check-prefix M4

// Two layers keep their planes between them: the pair of conversions cancels.
"memref.global"() <{"sym_name" = "r", "type" = memref<8xi32>, "initial_value" = dense<[1, 1073741824, -3, 1, 2, 1073741824, -3, 1]> : tensor<8xi32>, "sym_visibility" = "private", "constant"}> : () -> ()
"memref.global"() <{"sym_name" = "s", "type" = memref<2xui16>, "initial_value" = dense<[0, 8]> : tensor<2xui16>, "sym_visibility" = "private", "constant"}> : () -> ()
"memref.global"() <{"sym_name" = "v", "type" = memref<2xi8>, "initial_value" = dense<[5, -7]> : tensor<2xi8>, "sym_visibility" = "private", "constant"}> : () -> ()
func.func @pair(%x : memref<1x2x3x2xi8>, %y : memref<1x2x3x2xi8> {sparsec.result}) {
  %r = memref.get_global @r : memref<8xi32>
  %s = memref.get_global @s : memref<2xui16>
  %v = memref.get_global @v : memref<2xi8>
  %m = memref.alloc() : memref<20xi8>
  %a = memref.reinterpret_cast %m to offset: [0], sizes: [1, 2, 3, 2], strides: [20, 3, 1, 8] : memref<20xi8> to memref<1x2x3x2xi8, #rt.channel_major<>>
  %n = memref.alloc() : memref<20xi8>
  %b = memref.reinterpret_cast %n to offset: [0], sizes: [1, 2, 3, 2], strides: [20, 3, 1, 8] : memref<20xi8> to memref<1x2x3x2xi8, #rt.channel_major<>>
  %t = memref.alloc() : memref<1x2x3x2xi8>
  %o = memref.alloc() : memref<20xi8>
  %c = memref.reinterpret_cast %o to offset: [0], sizes: [1, 2, 3, 2], strides: [20, 3, 1, 8] : memref<20xi8> to memref<1x2x3x2xi8, #rt.channel_major<>>
  %p = memref.alloc() : memref<20xi8>
  %d = memref.reinterpret_cast %p to offset: [0], sizes: [1, 2, 3, 2], strides: [20, 3, 1, 8] : memref<20xi8> to memref<1x2x3x2xi8, #rt.channel_major<>>
  rt.to_channel_major_s8 %x into %a : memref<1x2x3x2xi8>, memref<1x2x3x2xi8, #rt.channel_major<>>
  rt.convolve_pixels_s8 %a, %r, %s, %v <> kernel [1, 1] window <> into %b : memref<1x2x3x2xi8, #rt.channel_major<>>, memref<8xi32>, memref<2xui16>, memref<2xi8>, memref<1x2x3x2xi8, #rt.channel_major<>>
  rt.from_channel_major_s8 %b into %t : memref<1x2x3x2xi8, #rt.channel_major<>>, memref<1x2x3x2xi8>
  rt.to_channel_major_s8 %t into %c : memref<1x2x3x2xi8>, memref<1x2x3x2xi8, #rt.channel_major<>>
  rt.convolve_pixels_s8 %c, %r, %s, %v <> kernel [1, 1] window <> into %d : memref<1x2x3x2xi8, #rt.channel_major<>>, memref<8xi32>, memref<2xui16>, memref<2xi8>, memref<1x2x3x2xi8, #rt.channel_major<>>
  rt.from_channel_major_s8 %d into %y : memref<1x2x3x2xi8, #rt.channel_major<>>, memref<1x2x3x2xi8>
  func.return
}
// CHECK-LABEL: @pair
// CHECK:       rt.to_channel_major_s8 %x into [[A:%[a-z0-9_]+]]
// CHECK-NOT:   rt.from_channel_major_s8
// CHECK:       rt.convolve_pixels_s8 [[A]], {{.*}} into [[B:%[a-z0-9_]+]]
// CHECK-NOT:   channel_major_s8
// CHECK:       rt.convolve_pixels_s8 [[B]], {{.*}} into [[C:%[a-z0-9_]+]]
// CHECK:       rt.from_channel_major_s8 [[C]] into %y
// CHECK-NEXT:  func.return
// M4: there is no cost of sparsec_convolve_pixels_s8 on cortex-m4

// -----

// Nothing is channel-major here, and the table is no reason to become so.
func.func @nhwc(%x : memref<1x2x3x2xi8>, %t : memref<256xi8>, %y : memref<1x2x3x2xi8> {sparsec.result}) {
  rt.lookup_s8 %x, %t into %y : memref<1x2x3x2xi8>, memref<256xi8>, memref<1x2x3x2xi8>
  func.return
}
// CHECK-LABEL: @nhwc
// CHECK-NEXT:  rt.lookup_s8 %x, %t into %y : memref<1x2x3x2xi8>, memref<256xi8>, memref<1x2x3x2xi8>
// CHECK-NEXT:  func.return
