// A captured event with memory of its own, for tests.
#pragma once

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "cep/event/captured_event.h"

namespace vigil::testing {

class OwnEvent {
 public:
  // `values` are by slot; what they point to is borrowed.
  explicit OwnEvent(const std::vector<cep::Value>& values, std::string_view json = {},
                    const cep::Partition* partition = nullptr) {
    const size_t text = cep::CapturedEvent::PaddedTextSize(json.size());
    memory_->resize(text / sizeof(uint64_t) + 2 * values.size());
    auto* bytes = reinterpret_cast<char*>(memory_->data());
    std::copy(json.begin(), json.end(), bytes);
    auto* copies = reinterpret_cast<cep::Value*>(bytes + text);
    std::uninitialized_copy(values.begin(), values.end(), copies);
    shape_->partition = partition;
    shape_->value_count = static_cast<uint32_t>(values.size());
    event_.shape = shape_.get();
    event_.text_size = static_cast<uint32_t>(json.size());
    event_.values = copies;
  }

  cep::CapturedEvent* get() { return &event_; }
  const cep::CapturedEvent* get() const { return &event_; }

 private:
  // Copies share them.
  std::shared_ptr<std::vector<uint64_t>> memory_ = std::make_shared<std::vector<uint64_t>>();
  std::shared_ptr<cep::EventShape> shape_ = std::make_shared<cep::EventShape>();
  cep::CapturedEvent event_;
};

}  // namespace vigil::testing
