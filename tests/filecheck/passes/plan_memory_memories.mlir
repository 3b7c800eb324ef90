// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p "plan-memory{memories=\"dtcm=24,sram=64\"}" | filecheck %s
// RUN: sparsec-opt %s -p "plan-memory{memories=\"dtcm=24,sram=64\" overlap=false}" | filecheck %s --check-prefix APART
// RUN: sparsec-opt %s -p "plan-memory{memories=\"dtcm=24,sram=64\" io=caller}" | filecheck %s --check-prefix CALLER
// RUN: sparsec-opt %s -p "plan-memory{memories=\"dtcm=65536\"}" | filecheck %s --check-prefix ONE

// %b is used twice per byte, all else once: it comes first, then what may lie over it. The scratch memory has no room there.

func.func @main(%x : memref<1x2x2x4xi8>, %y : memref<1x1x1x4xi8> {sparsec.result}) {
  %b = memref.alloc() : memref<1x2x2x4xi8>
  rt.requantize_s8 %x <multiplier = 1073741824> into %b : memref<1x2x2x4xi8>, memref<1x2x2x4xi8>
  %s = memref.alloc() {alignment = 8 : i64} : memref<16xi8>
  cmsis.avgpool_s8 %b pool <kernel = [2, 2]> <> into %y scratch %s : memref<16xi8> : memref<1x2x2x4xi8>, memref<1x1x1x4xi8>
  func.return
}

// CHECK:      builtin.module attributes {sparsec.arena_lower_bound = 32 : i64
// CHECK-NEXT:   func.func @main(%dtcm: memref<16xi8> {sparsec.memory = "dtcm", sparsec.capacity = 24 : i64, sparsec.lower_bound = 16 : i64, sparsec.inputs = [{offset = 0 : i64, type = memref<1x2x2x4xi8>, memory = "dtcm"}], sparsec.outputs = [{offset = 0 : i64, type = memref<1x1x1x4xi8>, memory = "dtcm"}]}, %sram: memref<16xi8> {sparsec.memory = "sram", sparsec.capacity = 64 : i64, sparsec.lower_bound = 16 : i64}) {
// CHECK:          %b = memref.view %dtcm
// CHECK:          %s = memref.view %sram

// Apart from %b only the output has room beside it, and the scratch memory lies where the input lay.

// APART:        func.func @main(%dtcm: memref<20xi8> {{.*}}, %sram: memref<16xi8> {{.*}}) {
// APART:          %x = memref.view %sram
// APART:          %y = memref.view %dtcm
// APART:          %b = memref.view %dtcm
// APART:          %s = memref.view %sram

// CALLER:       func.func @main(%dtcm: memref<16xi8> {{.*}}, %sram: memref<16xi8> {{.*}}, %input: memref<16xi8> {{.*}}, %output: memref<4xi8>

// ONE:          func.func @main(%dtcm: memref<32xi8> {sparsec.memory = "dtcm", sparsec.capacity = 65536 : i64, sparsec.lower_bound = 32 : i64, sparsec.inputs
