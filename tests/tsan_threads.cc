// The C11 threads that librdkafka uses, in terms of POSIX threads: only for ThreadSanitizer, which
// knows POSIX threads alone (google/sanitizers#1195). A thread made by the C library's
// thrd_create() has no place in its books and ends in its allocator; what mtx_lock() orders looks
// like a race.
//
// The executable's functions come before those of the C library also for shared libraries. There
// too each type holds its POSIX relative.
#include <cerrno>
#include <cstdint>
#include <memory>
#include <pthread.h>
#include <threads.h>

namespace {

static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t));
static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t));
static_assert(sizeof(once_flag) == sizeof(pthread_once_t));

struct Task {
  thrd_start_t function;
  void* argument;
};

void* Run(void* task) {
  const std::unique_ptr<Task> mine(static_cast<Task*>(task));
  return reinterpret_cast<void*>(static_cast<intptr_t>(mine->function(mine->argument)));
}

pthread_mutex_t* Posix(mtx_t* mutex) { return reinterpret_cast<pthread_mutex_t*>(mutex); }
pthread_cond_t* Posix(cnd_t* condition) { return reinterpret_cast<pthread_cond_t*>(condition); }

int Result(int error) {
  switch (error) {
    case 0:
      return thrd_success;
    case ENOMEM:
      return thrd_nomem;
    case EBUSY:
      return thrd_busy;
    case ETIMEDOUT:
      return thrd_timedout;
    default:
      return thrd_error;
  }
}

}  // namespace

extern "C" {

int thrd_create(thrd_t* thread, thrd_start_t function, void* argument) {
  auto task = std::make_unique<Task>(Task{function, argument});
  const int error = pthread_create(thread, nullptr, Run, task.get());
  if (error == 0) task.release();  // Run() has it
  return Result(error);
}

int thrd_join(thrd_t thread, int* result) {
  void* returned = nullptr;
  const int error = pthread_join(thread, &returned);
  if (result != nullptr) *result = static_cast<int>(reinterpret_cast<intptr_t>(returned));
  return Result(error);
}

int mtx_init(mtx_t* mutex, int type) noexcept {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  if ((type & mtx_recursive) != 0) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  const int error = pthread_mutex_init(Posix(mutex), &attributes);
  pthread_mutexattr_destroy(&attributes);
  return Result(error);
}

int mtx_lock(mtx_t* mutex) { return Result(pthread_mutex_lock(Posix(mutex))); }
int mtx_trylock(mtx_t* mutex) noexcept { return Result(pthread_mutex_trylock(Posix(mutex))); }
int mtx_unlock(mtx_t* mutex) noexcept { return Result(pthread_mutex_unlock(Posix(mutex))); }
void mtx_destroy(mtx_t* mutex) noexcept { pthread_mutex_destroy(Posix(mutex)); }

int cnd_init(cnd_t* condition) noexcept {
  return Result(pthread_cond_init(Posix(condition), nullptr));
}
int cnd_signal(cnd_t* condition) noexcept { return Result(pthread_cond_signal(Posix(condition))); }
int cnd_broadcast(cnd_t* condition) noexcept {
  return Result(pthread_cond_broadcast(Posix(condition)));
}
int cnd_wait(cnd_t* condition, mtx_t* mutex) {
  return Result(pthread_cond_wait(Posix(condition), Posix(mutex)));
}
int cnd_timedwait(cnd_t* condition, mtx_t* mutex, const timespec* until) {
  return Result(pthread_cond_timedwait(Posix(condition), Posix(mutex), until));
}
void cnd_destroy(cnd_t* condition) noexcept { pthread_cond_destroy(Posix(condition)); }

void call_once(once_flag* flag, void (*function)()) {
  pthread_once(reinterpret_cast<pthread_once_t*>(flag), function);
}

}  // extern "C"
