// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p "select-sparse-formats{format=delta8}" --verify-diagnostics | filecheck %s
// RUN: sparsec-opt %s -p "select-sparse-formats{flash=1000}" --verify-diagnostics | filecheck %s --check-prefix FLASH
// RUN: sparsec-opt %s -p "select-sparse-formats{ram=1000}" --verify-diagnostics | filecheck %s --check-prefix RAM
// RUN: sparsec-opt %s -p "select-sparse-formats{recipe=\"head: dense\"}" --verify-diagnostics | filecheck %s --check-prefix NAME
// RUN: sparsec-opt %s -p "select-sparse-formats{recipe=\"stem*: bitmap\"}" --verify-diagnostics | filecheck %s --check-prefix KERNEL
// RUN: sparsec-opt %s -p "select-sparse-formats{recipe=\"head*: nm(2:4)\"}" --verify-diagnostics | filecheck %s --check-prefix PRUNED
// RUN: sparsec-opt %s -p select-sparse-formats | filecheck %s --check-prefix AUTO

func.func @main(%x : tensor<1x70000xi8>, %i : tensor<1x4x4x1xi8>) -> (tensor<1x1xi8>, tensor<1x4x4x1xi8>) {
  %w = qnn.constant named "fc.weight" dense<1> : tensor<1x70000xi8>
  %b = qnn.constant dense<0> : tensor<1xi32>
  %y = qnn.linear %x, %w, %b requant(%b, %b) <> {layer = "head.fc"} : tensor<1x70000xi8>, tensor<1x70000xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x1xi8>
  %v = qnn.constant dense<1> : tensor<1x3x3x1xi8>
  %d = qnn.depthwise_conv2d %i, %v, %b requant(%b, %b) <> window <padding = [1, 1, 1, 1]> {layer = "stem"} : tensor<1x4x4x1xi8>, tensor<1x3x3x1xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x4x4x1xi8>
  func.return %y, %d : tensor<1x1xi8>, tensor<1x4x4x1xi8>
}

// CHECK:   layer 'head.fc' cannot be stored as delta8, which --weights asks for: row 0 needs 70000 delta8 entries, more than 65535
// FLASH:   --flash allows 1000 bytes and the smallest choice takes {{[0-9]+}}, code included: prune the network further
// RAM:     layer 'head.fc' needs 70017 bytes of RAM at least (input 70,000 + input1 16 + output 1), --ram allows 1000
// NAME:    recipe: no layer is called 'head', known: head.fc, stem
// KERNEL:  layer 'stem' cannot be stored as bitmap, which 'stem*' of the recipe asks for: no kernel for qnn.depthwise_conv2d of this shape
// PRUNED:  layer 'head.fc' cannot be stored as nm(2:4), which 'head*' of the recipe asks for: row 0 has 4 non-zeros in columns 0 to 3, more than 2 of 4
// AUTO:    named "fc.weight" {{.*}} : tensor<1x70000xi8>
