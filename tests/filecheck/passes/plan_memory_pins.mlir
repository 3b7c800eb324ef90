// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p "plan-memory{memories=\"dtcm=99,sram=300\"}" | filecheck %s
// RUN: sparsec-opt %s -p "plan-memory{memories=\"dtcm=100,sram=300\" pins=\"first: in sram; fc.weight: in sram\"}" | filecheck %s --check-prefix PIN
// RUN: sparsec-opt %s -p "plan-memory{memories=\"dtcm=100,sram=300\" pins=\"*: in sram; fc.*: in dtcm; output: in dtcm\"}" | filecheck %s --check-prefix LATER

// Room that is left in the fast memory goes to constants: the weights fit, and the bias stays in flash.

builtin.module {
  "memref.global"() <{sym_name = "fc_weight", sym_visibility = "private", type = memref<4x16xi8>, initial_value = dense<1> : tensor<4x16xi8>, constant}> : () -> ()
  "memref.global"() <{sym_name = "fc_bias", sym_visibility = "private", type = memref<4xi32>, initial_value = dense<1> : tensor<4xi32>, constant}> : () -> ()
  func.func @main(%x : memref<1x16xi8>, %y : memref<1x4xi8> {sparsec.result}) {
    %w = memref.get_global @fc_weight : memref<4x16xi8>
    %c = memref.get_global @fc_bias : memref<4xi32>
    %b = memref.alloc() : memref<1x16xi8>
    rt.requantize_s8 %x <multiplier = 1073741824> into %b {layer = "first"} : memref<1x16xi8>, memref<1x16xi8>
    cmsis.fully_connected_s8 %b, %w, %c requant(1073741824, -1) <> into %y {layer = "fc"} : memref<1x16xi8>, memref<4x16xi8>, memref<4xi32>, memref<1x4xi8>
    func.return
  }
}

// CHECK:      sym_name = "fc_weight"{{.*}} {sparsec.memory = "dtcm"} :
// CHECK-NEXT: sym_name = "fc_bias"{{.*}}, constant}> : () -> ()
// CHECK-NEXT: %dtcm: memref<20xi8>
// CHECK:      %x = memref.view %dtcm
// CHECK:      %y = memref.view %dtcm
// CHECK:      %b = memref.view %dtcm

// PIN:        sym_name = "fc_weight"{{.*}} {sparsec.memory = "sram"} :
// PIN-NEXT:   sym_name = "fc_bias"{{.*}} {sparsec.memory = "dtcm"} :
// PIN:        %x = memref.view %dtcm
// PIN:        %y = memref.view %dtcm
// PIN:        %b = memref.view %sram

// The first pattern matches layers, and so is about what they write, inputs and outputs, and not about constants; of two pins
// for one buffer the later holds.

// LATER:      sym_name = "fc_weight"{{.*}} {sparsec.memory = "dtcm"} :
// LATER:      %x = memref.view %sram
// LATER:      %y = memref.view %dtcm
// LATER:      %b = memref.view %sram
