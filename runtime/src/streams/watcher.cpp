#include "streams/watcher.h"

namespace braid {
namespace {

constexpr auto pause = std::chrono::microseconds(20);

Watcher::Clock::time_point after(double seconds) {
  return Watcher::Clock::now() + std::chrono::duration_cast<Watcher::Clock::duration>(
                                     std::chrono::duration<double>(seconds));
}

}  // namespace

std::string in_seconds(double seconds) {
  std::string text = std::to_string(seconds);
  return text.substr(0, text.find('.') + 2) + " s";
}

Watcher::Watcher() : thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Watcher::watch(Device& device, Event* event, double seconds, Callback callback) {
  std::lock_guard lock(mutex_);
  watches_.push_back({&device, event, after(seconds), seconds, std::move(callback)});
  changed_.notify_one();
}

bool Watcher::look(Watch& watch, std::exception_ptr& failed) {
  try {
    if (watch.device->done(watch.event)) return true;
    if (Clock::now() < watch.deadline) return false;
    throw Error(Fault::device, "E0523",
                "the device has not answered within " + in_seconds(watch.seconds));
  } catch (...) {
    failed = std::current_exception();
    return true;
  }
}

void Watcher::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [&] { return !watches_.empty(); })) {
    for (size_t i = 0; i < watches_.size();) {
      std::exception_ptr failed;
      if (!look(watches_[i], failed)) {
        ++i;
        continue;
      }
      auto callback = std::move(watches_[i].callback);
      watches_.erase(watches_.begin() + long(i));
      lock.unlock();
      callback(failed);
      lock.lock();
    }
    lock.unlock();
    std::this_thread::sleep_for(pause);
    lock.lock();
  }
}

// A short step is waited for awake; a long one leaves the core to others.
bool wait_for(Device& device, Event* event, double seconds) {
  const auto deadline = after(seconds), awake = after(100e-6);
  while (!device.done(event)) {
    const auto now = Watcher::Clock::now();
    if (now > deadline) return false;
    if (now < awake)
      std::this_thread::yield();
    else
      std::this_thread::sleep_for(pause);
  }
  return true;
}

}  // namespace braid
