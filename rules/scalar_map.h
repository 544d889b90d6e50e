// From a byte of a YAML scalar's value back to the place in the file that it came from.
//
// An expression in a folded, quoted or several lines long scalar is compiled from the scalar's
// value; a caret belongs under the token in the file. Computed only when there is something to
// report. Tests: tests/rules/scalar_map_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "rules/source_text.h"
#include "rules/yaml_node.h"

namespace vigil::rules {

class ScalarMap {
 public:
  // Longer values are not traced; no expression and no template is as long.
  static constexpr size_t kMaxTraced = 256 * 1024;

  // `scalar` is a scalar of `source`; both must outlive the call only.
  ScalarMap(const SourceText& source, const Node& scalar);

  // The place in the file of bytes [begin, end) of the value, on one line at least one byte long;
  // the whole scalar if the value could not be traced.
  Range At(uint32_t begin, uint32_t end) const;

 private:
  Range whole_;
  std::vector<uint32_t>
      offsets_;  // per byte of the value, and one more for its end; empty: not traced
};

}  // namespace vigil::rules
