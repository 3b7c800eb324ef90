// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p "plan-memory{memories=\"dtcm=99,sram=300\" pins=\"first: in tcm\"}" --verify-diagnostics | filecheck %s --check-prefix UNKNOWN
// RUN: sparsec-opt %s -p "plan-memory{memories=\"dtcm=99,sram=300\" pins=\"frist: in dtcm\"}" --verify-diagnostics | filecheck %s --check-prefix NAME
// RUN: sparsec-opt %s -p "plan-memory{memories=\"dtcm=99,sram=300\" io=caller pins=\"fc: in dtcm\"}" --verify-diagnostics | filecheck %s --check-prefix OWNER
// RUN: sparsec-opt %s -p "plan-memory{memories=\"dtcm=60,sram=300\" pins=\"fc.weight: in dtcm\"}" --verify-diagnostics | filecheck %s --check-prefix CONSTANT
// RUN: sparsec-opt %s -p "plan-memory{memories=\"dtcm=70,sram=300\" pins=\"fc.weight: in dtcm; first: in dtcm\"}" --verify-diagnostics | filecheck %s --check-prefix BUFFER

// A pin that cannot be met is named, in one line.

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

// UNKNOWN: recipe: "first": in tcm: there is no memory 'tcm', known: dtcm, sram; name it with --memory=tcm=64K
// NAME: recipe: "frist": in dtcm: nothing is called so, known: first, fc, input, output, fc_weight, fc_bias
// OWNER: recipe: "fc": in dtcm: that is the caller's (--io=caller)
// CONSTANT: recipe: "fc.weight": in dtcm: these constants take 64 bytes, memory 'dtcm' has 60
// BUFFER: recipe: "fc.weight": in dtcm; "first": in dtcm: layer 'first' needs 16 bytes of memory 'dtcm' (output 16), which has 70, 64 of them for pinned constants; the smallest arena found there takes 16 bytes
