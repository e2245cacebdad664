// Every operation that goes through oneDNN: right against its f64 judge, and the same bits whatever
// the thread, the address, the host's OpenMP and the batch around a sample.
#include <omp.h>
#include <xmmintrin.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include <braid/nodes/isa.h>

#include "nodes/onednn_cases.h"
#include "nodes/onednn_rig.h"

namespace braid::test::onednn {
namespace {

/// The samples of a large batch that are also in the small one.
Plain head(const Plain& large, const Plain& small) {
  return {small.dims, {large.values.begin(), large.values.begin() + int64_t(small.values.size())}};
}

class OneDnn : public ::testing::Test {
 protected:
  template <class Check>
  void for_each_case(Check check) {
    for (auto& c : all_cases()) {
      SCOPED_TRACE(c.name);
      check(c);
    }
  }

  Rig rig;
};

TEST_F(OneDnn, AgreesWithItsReference) {
  for_each_case([&](const Case& c) {
    for (int64_t n : {1, 3, 17}) {
      Ask ask = c.make(n);
      auto got = rig.run(ask), judge = rig.run(ask, "reference");
      ASSERT_EQ(got.size(), judge.size());
      for (size_t i = 0; i < got.size(); ++i)
        EXPECT_LE(distance(got[i], judge[i]), 1e-5) << "result " << i << ", N = " << n;
    }
  });
}

TEST_F(OneDnn, FormatsDoNotDependOnTheBatch) {
  for_each_case([&](const Case& c) {
    auto one = rig.settled(rig.question(c.make(1)));
    for (int64_t n : {2, 5, 16, 64}) {
      auto many = rig.settled(rig.question(c.make(n)));
      for (size_t i = 0; i < one.in.size(); ++i)
        EXPECT_EQ(one.in[i].format, many.in[i].format) << "input " << i << ", N = " << n;
      for (size_t i = 0; i < one.out.size(); ++i)
        EXPECT_EQ(one.out[i].format, many.out[i].format) << "result " << i << ", N = " << n;
    }
  });
}

TEST_F(OneDnn, BitsDoNotDependOnAddressOrHost) {
  for_each_case([&](const Case& c) {
    Ask ask = c.make(13);
    auto once = rig.run(ask);
    // The guard puts the floating-point mode right; around our own kernels the executor does.
    bool guarded = rig.registry.offer(rig.question(ask), {})->impl.starts_with("onednn:");
    int host_threads = omp_get_max_threads();
    for (int threads : {1, 2, 8}) {
      omp_set_num_threads(threads);
      if (guarded) _mm_setcsr(0xffc0);  // flush to zero, denormals are zero, round towards zero
      for (size_t skew : {0, 4, 36}) {
        auto again = rig.run(ask, "cpu", skew);
        for (size_t i = 0; i < once.size(); ++i)
          EXPECT_TRUE(same_bits(once[i], again[i])) << threads << " threads, skew " << skew;
      }
      EXPECT_EQ(_mm_getcsr() & 0xffc0, guarded ? 0xffc0u : 0x1f80u);
      _mm_setcsr(0x1f80);
      EXPECT_EQ(omp_get_max_threads(), threads);
    }
    omp_set_num_threads(host_threads);
  });
}

TEST_F(OneDnn, OneBodyServesManyThreads) {
  for_each_case([&](const Case& c) {
    Ask ask = c.make(5);
    auto s = rig.settled(rig.question(ask));
    auto offer = rig.registry.offer(s, {});
    auto body = offer->bind();
    auto once = rig.run(ask);
    auto work = [&](bool& equal) {
      std::vector<Memory> in;
      for (size_t i = 0; i < s.in.size(); ++i) in.push_back(rig.laid_out(s.in[i], ask.in[i]));
      for (int turn = 0; turn < 20; ++turn) {
        std::vector<Memory> out;
        for (auto& operand : s.out) out.emplace_back(operand);
        Rig::execute(body, offer->workspace, in, out);
        for (size_t i = 0; i < out.size(); ++i) equal &= same_bits(rig.plain_of(out[i]), once[i]);
      }
    };
    bool equal[3] = {true, true, true};
    {
      std::vector<std::jthread> threads;
      for (bool& flag : equal) threads.emplace_back(work, std::ref(flag));
    }
    for (bool flag : equal) EXPECT_TRUE(flag);
  });
}

TEST_F(OneDnn, ASamplesBitsDoNotDependOnItsBatch) {
  for_each_case([&](const Case& c) {
    if (!c.per_sample) return;  // it contracts over the batch
    auto all = rig.run(c.make(64));
    for (int64_t n : {1, 7, 33}) {
      auto some = rig.run(c.make(n));
      for (size_t i = 0; i < all.size(); ++i) {
        EXPECT_TRUE(same_bits(head(all[i], some[i]), some[i])) << "result " << i << ", N = " << n;
      }
    }
  });
}

TEST_F(OneDnn, PaddingStaysZero) {
  for_each_case([&](const Case& c) {
    Ask ask = c.make(3);
    auto s = rig.settled(rig.question(ask));
    std::vector<Memory> in, out;
    for (size_t i = 0; i < s.in.size(); ++i) in.push_back(rig.laid_out(s.in[i], ask.in[i]));
    for (auto& operand : s.out) out.emplace_back(operand);
    Rig::execute(*rig.registry.offer(s, {}), in, out);
    for (auto& memory : out) {
      if (!is_floating(memory.operand().dtype))
        continue;  // places of maxima: no sums run over them
      // Through plain and back: what comes back has zeros in its padding by construction.
      Memory clean = rig.laid_out(memory.operand(), rig.plain_of(memory));
      EXPECT_EQ(std::memcmp(memory.data(), clean.data(), size_t(memory.operand().bytes())), 0)
          << memory.operand().format;
    }
  });
}

// The instruction set is the process's, so each runs in one of its own.
class Isa : public ::testing::TestWithParam<const char*> {};

std::string faults_of(const std::string& isa) {
  if (!pin_isa(isa) || current_isa() != isa || !pin_isa(isa)) return "cannot be pinned";
  Rig rig;
  auto cases = all_cases();
  if (rig.registry.offer(rig.question(cases[0].make(1)), {.isa = "other"}))
    return "answers for another machine";
  std::string faults;
  // SSE's operands in memory have to be aligned; those of a plan are.
  size_t skew = isa == "sse4" ? 16 : 4;
  for (auto& c : cases) {
    Ask ask = c.make(5);
    auto got = rig.run(ask), judge = rig.run(ask, "reference"), again = rig.run(ask, "cpu", skew);
    for (size_t i = 0; i < got.size(); ++i) {
      if (!same_bits(got[i], again[i])) faults += c.name + " depends on the address\n";
      if (double d = distance(got[i], judge[i]); !(d <= 1e-5))
        faults += c.name + " is off by " + std::to_string(d) + "\n";
    }
    if (!c.per_sample) continue;
    auto whole = rig.run(c.make(16));
    for (size_t i = 0; i < got.size(); ++i)
      if (!same_bits(got[i], head(whole[i], got[i]))) faults += c.name + " depends on the batch\n";
  }
  if (pin_isa(isa == "sse4" ? "avx2" : "sse4")) faults += "pinned too late";
  if (::testing::Test::HasFailure()) faults += "changes its mind about formats";
  return faults;
}

void run_everything_on(const std::string& isa) {
  std::string faults = faults_of(isa);
  std::fputs(faults.c_str(), stderr);
  std::exit(faults.empty() ? 0 : 1);
}

TEST_P(Isa, Pinned) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  std::vector<std::string> levels = {"sse4", "avx2", "avx512"};
  if (std::ranges::find(levels, GetParam()) > std::ranges::find(levels, host_isa()))
    GTEST_SKIP() << "this machine has " << host_isa();
  EXPECT_EXIT(run_everything_on(GetParam()), ::testing::ExitedWithCode(0), "");
}

TEST(IsaNames, AnUnknownOneIsRefused) {
  EXPECT_FALSE(pin_isa("avx1024"));
  EXPECT_FALSE(pin_isa(""));
}

INSTANTIATE_TEST_SUITE_P(All, Isa, ::testing::Values("sse4", "avx2", "avx512"));

}  // namespace
}  // namespace braid::test::onednn
