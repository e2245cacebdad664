// Offsets in the arenas. A block of memory is reused only by a step that *happens after* all users
// of the block, whatever the threads do. Which steps happen after which is known exactly (a bit for
// every pair of strands) but in large plans, which take a linear scan in each lane, whose steps run
// one after the other. Where every pair of values can be looked at, the largest is placed first,
// each as low as it fits; else blocks are handed on in the order of the steps, which loses more.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "passes.h"

namespace braid {
namespace {

constexpr size_t exact_limit = 12000;  // strands
constexpr size_t pairs_limit = 8000;   // values
int64_t round_up(int64_t bytes) { return (bytes + 63) / 64 * 64; }

class LayOut {
 public:
  LayOut(Plan& plan, const std::set<std::string>& disabled)
      : p_(plan), reuse_(!disabled.contains("reuse")), alias_(!disabled.contains("alias")) {
    p_.arena.assign(p_.devices.size(), 0);
    at_.resize(p_.steps.size());
    for (auto& strand : p_.strands)
      for (int i : strand.steps) {
        at_[size_t(i)] = int(order_.size());
        order_.push_back(i);
      }
    find_users();
    for (auto& result : p_.results)
      for (int s : result.slots) pinned_[size_t(s)] = true;
  }

  void run() {
    if (p_.strands.size() <= exact_limit) {
      find_precedence();
      if (reuse_ && p_.slots.size() <= pairs_limit)
        by_size();
      else
        exact();
    } else {
      by_lane();
    }
  }

 private:
  bool in_arena(int slot) const {
    return p_.slots[size_t(slot)].state < 0 && p_.slots[size_t(slot)].input < 0;
  }

  void find_users() {
    begin_.assign(p_.slots.size() + 1, 0);
    pinned_.assign(p_.slots.size(), false);
    for (int s : p_.operands) ++begin_[size_t(s) + 1];
    for (size_t i = 1; i < begin_.size(); ++i) begin_[i] += begin_[i - 1];
    users_.resize(p_.operands.size());
    std::vector<int> at(begin_.begin(), begin_.end() - 1);
    for (size_t i = 0; i < p_.steps.size(); ++i) {
      auto& s = p_.steps[i];
      for (int k = 0; k < s.inputs + s.outputs; ++k)
        users_[size_t(at[size_t(p_.operands[size_t(s.first + k)])]++)] = int(i);
    }
  }

  std::span<const int> users(int slot) const {
    return {users_.data() + begin_[size_t(slot)],
            size_t(begin_[size_t(slot) + 1] - begin_[size_t(slot)])};
  }

  void find_precedence() {
    size_t n = p_.strands.size();
    words_ = (n + 63) / 64;
    before_.assign(n * words_, 0);
    for (size_t s = 0; s < n; ++s)
      for (int q : p_.strands[s].preds) {
        before_[s * words_ + size_t(q) / 64] |= uint64_t{1} << (q % 64);
        for (size_t w = 0; w <= size_t(q) / 64; ++w)
          before_[s * words_ + w] |= before_[size_t(q) * words_ + w];
      }
  }

  bool precedes(int a, int b) const {
    auto sa = size_t(p_.steps[size_t(a)].strand), sb = size_t(p_.steps[size_t(b)].strand);
    if (sa == sb) return at_[size_t(a)] < at_[size_t(b)];
    return before_[sb * words_ + sa / 64] >> (sa % 64) & 1;
  }

  // All users of `slot`, but for `step` itself, are done before `step`.
  bool dead_at(int slot, int step) const {
    return std::ranges::all_of(users(slot), [&](int u) { return u == step || precedes(u, step); });
  }

  // Values that share a place: each takes over the memory of the one before it.
  struct Place {
    std::vector<int> slots;
    int made;               // the step
    std::vector<int> last;  // the steps after which nobody needs it; none of them precedes another
    bool pinned;
    int64_t size, offset = 0;
  };

  std::vector<Place> places() {
    std::vector<Place> all;
    std::vector<int> place_of(p_.slots.size(), -1);
    for (int i : order_) {
      auto& step = p_.steps[size_t(i)];
      for (int k = 0; k < step.outputs; ++k) {
        int s = p_.operands[size_t(step.first + step.inputs + k)];
        int64_t size = round_up(p_.slots[size_t(s)].bytes);
        p_.arena_without_reuse += size;
        int place = k == 0 ? inherited(step, i, s, place_of) : -1;
        if (place < 0) {
          place = int(all.size());
          all.push_back({.made = i, .size = size});
        }
        place_of[size_t(s)] = place;
        all[size_t(place)].slots.push_back(s);
      }
    }
    for (auto& place : all) {
      int end = place.slots.back();
      place.pinned = pinned_[size_t(end)];
      for (int u : users(end)) {
        std::erase_if(place.last, [&](int v) { return v == u || precedes(v, u); });
        if (std::ranges::none_of(place.last, [&](int v) { return precedes(u, v); }))
          place.last.push_back(u);
      }
    }
    return all;
  }

  // `a` is made before `b` in the order of the steps.
  bool meet(const Place& a, const Place& b) const {
    return a.pinned || !std::ranges::all_of(a.last, [&](int u) { return precedes(u, b.made); });
  }

  // Those that are placed, by their offsets: what lies behind the gap that is found is not looked
  // at.
  void by_size() {
    auto all = places();
    std::vector<int> by(all.size());
    for (size_t i = 0; i < by.size(); ++i) by[i] = int(i);
    std::ranges::stable_sort(by, std::greater<>{}, [&](int i) { return all[size_t(i)].size; });
    struct Placed {
      int64_t begin, end;
      int index;
    };
    std::vector<std::vector<Placed>> of_device(p_.devices.size());
    for (int i : by) {
      auto& place = all[size_t(i)];
      auto device = size_t(p_.slots[size_t(place.slots[0])].device);
      auto& placed = of_device[device];
      for (auto& other : placed) {
        if (place.offset + place.size <= other.begin) break;
        if (other.end <= place.offset) continue;
        auto& earlier = all[size_t(std::min(i, other.index))];
        if (meet(earlier, all[size_t(std::max(i, other.index))])) place.offset = other.end;
      }
      const int64_t end = place.offset + place.size;
      placed.insert(std::ranges::upper_bound(placed, place.offset, {}, &Placed::begin),
                    {place.offset, end, i});
      p_.arena[device] = std::max(p_.arena[device], end);
      for (int s : place.slots) p_.slots[size_t(s)].offset = place.offset;
    }
  }

  struct Block {
    int64_t offset, size;
    int slot;  // the last tenant
  };

  void exact() {
    std::vector<std::vector<Block>> pools(p_.devices.size());
    std::vector<int> block_of(p_.slots.size(), -1);
    for (int i : order_) {
      auto& step = p_.steps[size_t(i)];
      for (int k = 0; k < step.outputs; ++k) {
        int s = p_.operands[size_t(step.first + step.inputs + k)];
        auto& slot = p_.slots[size_t(s)];
        int64_t need = round_up(slot.bytes);
        p_.arena_without_reuse += need;
        auto& pool = pools[size_t(slot.device)];
        int chosen = k == 0 ? inherited(step, i, s, block_of) : -1;
        if (chosen < 0 && reuse_ && !pinned_[size_t(s)]) chosen = free_block(pool, need, i);
        if (chosen < 0) {
          chosen = int(pool.size());
          pool.push_back({p_.arena[size_t(slot.device)], need, s});
          p_.arena[size_t(slot.device)] += need;
        }
        pool[size_t(chosen)].slot = s;
        block_of[size_t(s)] = chosen;
        slot.offset = pool[size_t(chosen)].offset;
      }
    }
  }

  // The block or place of the input that output 0 may take over: nobody else needs it any more.
  int inherited(const Step& step, int id, int s, const std::vector<int>& block_of) const {
    if (!alias_ || step.kernel < 0) return -1;
    int alias = p_.kernels[size_t(step.kernel)].alias;
    if (alias < 0) return -1;
    int from = p_.operands[size_t(step.first + alias)];
    auto uses = std::ranges::count(p_.in(step), from);
    bool fits = in_arena(from) && !pinned_[size_t(from)] && uses == 1 &&
                p_.slots[size_t(from)].bytes == p_.slots[size_t(s)].bytes;
    return fits && dead_at(from, id) ? block_of[size_t(from)] : -1;
  }

  int free_block(const std::vector<Block>& pool, int64_t need, int step) const {
    int best = -1;
    for (size_t b = 0; b < pool.size(); ++b) {
      auto& block = pool[b];
      if (block.size < need || block.size > 4 * need) continue;
      if (best >= 0 && block.size >= pool[size_t(best)].size) continue;
      if (pinned_[size_t(block.slot)]) continue;
      bool after = std::ranges::all_of(users(block.slot), [&](int u) { return precedes(u, step); });
      if (after) best = int(b);
    }
    return best;
  }

  void by_lane() {
    struct Lane {
      std::multimap<int64_t, int64_t> free;                    // size -> offset
      std::multimap<int, std::pair<int64_t, int64_t>> in_use;  // last use -> size, offset
    };
    std::unordered_map<int64_t, Lane> lanes;
    for (int i : order_) {
      auto& step = p_.steps[size_t(i)];
      auto& lane = lanes[int64_t(step.lane) * 64 + step.device];
      for (; !lane.in_use.empty() && lane.in_use.begin()->first < at_[size_t(i)];
           lane.in_use.erase(lane.in_use.begin()))
        lane.free.insert(lane.in_use.begin()->second);
      for (int s : p_.out(step)) {
        auto& slot = p_.slots[size_t(s)];
        int64_t need = round_up(slot.bytes), size = need;
        p_.arena_without_reuse += need;
        bool local = reuse_ && !pinned_[size_t(s)] && slot.device == step.device;
        int end = at_[size_t(i)];
        for (int u : users(s)) {
          local &= p_.steps[size_t(u)].lane == step.lane;
          end = std::max(end, at_[size_t(u)]);
        }
        auto found = local ? lane.free.lower_bound(need) : lane.free.end();
        if (found != lane.free.end() && found->first <= 4 * need) {
          slot.offset = found->second, size = found->first;
          lane.free.erase(found);
        } else {
          slot.offset = p_.arena[size_t(slot.device)];
          p_.arena[size_t(slot.device)] += need;
        }
        if (local) lane.in_use.emplace(end, std::pair(size, slot.offset));
      }
    }
  }

  Plan& p_;
  bool reuse_, alias_;
  std::vector<int> order_, at_, begin_, users_;
  std::vector<bool> pinned_;
  std::vector<uint64_t> before_;
  size_t words_ = 0;
};

}  // namespace

void lay_out(Plan& plan, const std::set<std::string>& disabled) { LayOut(plan, disabled).run(); }

}  // namespace braid
