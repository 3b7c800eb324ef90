// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p "plan-memory{memories=\"a=8,b=40\"}" --verify-diagnostics | filecheck %s --check-prefix SMALL
// RUN: sparsec-opt %s -p "plan-memory{memories=\"w=8,b=40\"}" --verify-diagnostics | filecheck %s --check-prefix CONSTANT

// A memory that is too small for what must lie there, and a name that is taken.

builtin.module {
  "memref.global"() <{sym_name = "w", sym_visibility = "private", type = memref<4xi8>, initial_value = dense<1> : tensor<4xi8>, constant}> : () -> ()
  func.func @main(%x : memref<1x2x2x4xi8>, %y : memref<1x2x2x4xi8> {sparsec.result}) {
    %s = memref.alloc() {alignment = 8 : i64} : memref<32xi8>
    cmsis.avgpool_s8 %x pool <kernel = [1, 1]> <> into %y scratch %s : memref<32xi8> {layer = "pool"} : memref<1x2x2x4xi8>, memref<1x2x2x4xi8>
    func.return
  }
}
// SMALL: layer 'pool' needs 48 bytes of memory 'b' (scratch 32 + input 16 + output 16 - 16 shared), which has 40; the smallest arena found there takes 48 bytes
// CONSTANT: a constant is called 'w' as the memory is: name that otherwise
