// A bounded queue between two threads: batches go in at one end and out at the other.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace vigil::cep {

// Thread safety: any number of producers and consumers. One lock per element, so elements should be
// batches.
template <typename T>
class Channel {
 public:
  explicit Channel(size_t capacity) : capacity_(capacity) {}

  // Waits while the channel is full.
  void Push(T element) {
    std::unique_lock lock(mutex_);
    can_push_.wait(lock, [this] { return queue_.size() < capacity_; });
    queue_.push_back(std::move(element));
    lock.unlock();
    can_pop_.notify_one();
  }

  // True if Push() would not wait. Of use where one thread produces: no other can take the place.
  bool HasRoom() {
    const std::lock_guard lock(mutex_);
    return queue_.size() < capacity_;
  }

  // Waits for an element; empty once the channel is closed and drained.
  std::optional<T> Pop() {
    std::unique_lock lock(mutex_);
    can_pop_.wait(lock, [this] { return !queue_.empty() || is_closed_; });
    return TakeFront(&lock);
  }

  // The next element if there is one now.
  std::optional<T> TryPop() {
    std::unique_lock lock(mutex_);
    return TakeFront(&lock);
  }

  // No element will follow.
  void Close() {
    {
      const std::lock_guard lock(mutex_);
      is_closed_ = true;
    }
    can_pop_.notify_all();
  }

 private:
  std::optional<T> TakeFront(std::unique_lock<std::mutex>* lock) {
    if (queue_.empty()) return std::nullopt;
    std::optional<T> element(std::move(queue_.front()));
    queue_.pop_front();
    lock->unlock();
    can_push_.notify_one();
    return element;
  }

  const size_t capacity_;
  std::mutex mutex_;
  std::condition_variable can_push_;
  std::condition_variable can_pop_;
  std::deque<T> queue_;     // guarded by mutex_
  bool is_closed_ = false;  // guarded by mutex_
};

}  // namespace vigil::cep
