// Recorded scripts, replayed through rego.hpp: the answers must be those that every front gets. See ffi/tests/traces.
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif

#include <rego.hpp>

#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

using words = std::vector<std::string>;

std::uint64_t number(const words &line, std::size_t at) {
  if (at >= line.size()) return 0;
  return line[at] == "-" ? REGO_TIME_NEVER : std::strtoull(line[at].c_str(), nullptr, 10);
}

std::uint32_t small(const words &line, std::size_t at) { return static_cast<std::uint32_t>(number(line, at)); }

std::string text(rego::time at) { return at == REGO_TIME_NEVER ? "-" : std::to_string(at); }

/// The calls of one trace, and what the engine said last.
class front {
 public:
  static std::optional<front> make(const std::string &policies, std::uint64_t seed) {
    rego_options raw = REGO_OPTIONS_INIT;
    raw.seed = seed;
    raw.now = 1000000000;
    front made;
    auto engine = rego::engine::make(raw);
    if (!engine.has_value() || !engine->load_policies(policies).has_value()) return std::nullopt;
    made.engine_ = std::move(*engine);
    return made;
  }
  front(front &&) = default;
  front &operator=(front &&) = delete;
  ~front() {
    // What a trace leaves in the air is left as it is.
    for (call &one : calls_) one.it.release();
  }

  /// The answers to one event; nothing if it is none.
  std::optional<words> tell(const words &line) {
    rego_step step = REGO_STEP_INIT;
    const std::string &what = line[0];
    if (what == "begin") return answer(begin(line, step), step);
    if (what == "finish") return answer(finish(line, step), step);
    if (what == "finish_as") return answer(finish_as(line, step), step);
    const rego_attempt attempt = attempt_at(line[1]);
    const rego::time now = number(line, 2);
    if (what == "queued") return answer(rego_attempt_queued(engine_.raw(), attempt, now, &step), step);
    if (what == "started") return answer(rego_attempt_started(engine_.raw(), attempt, now, &step), step);
    if (what == "reject") return answer(rego_attempt_reject(engine_.raw(), attempt, now, &step), step);
    if (what == "poll") {
      const auto polled = call_at(line[1]).poll(now);
      return polled.has_value() ? answer(REGO_STATUS_OK, *polled) : refusal(polled.error().status());
    }
    if (what == "cancel") {
      const auto asked = call_at(line[1]).cancel();
      return asked.has_value() ? words() : refusal(asked.error().status());
    }
    return std::nullopt;
  }

 private:
  struct call {
    rego::call it;
    std::map<std::uint64_t, rego_attempt> attempts;
  };

  front() = default;

  rego_status begin(const words &line, rego_step &step) {
    const auto key = engine_.key(line[2]);
    if (!key.has_value()) return key.error().status();
    rego_begin how = REGO_BEGIN_INIT;
    how.now = number(line, 3);
    how.deadline = number(line, 4);
    how.idempotent = small(line, 5);
    rego_call raw = 0;
    const rego_status status = rego_call_begin(engine_.raw(), key->raw(), &how, &raw, &step);
    calls_.push_back({rego::call::adopt(engine_.raw(), raw), {}});
    return status;
  }

  rego_status finish(const words &line, rego_step &step) {
    rego::completion facts;
    facts.raw().kind = small(line, 3);
    facts.raw().code = static_cast<std::int32_t>(std::strtol(line[4].c_str(), nullptr, 10));
    facts.raw().flags = small(line, 5);
    facts.raw().method = small(line, 6);
    facts.raw().retry_after = number(line, 7);
    facts.raw().result = result_at(line[1]);
    return rego_attempt_finish(engine_.raw(), attempt_at(line[1]), number(line, 2), &facts.raw(), &step);
  }

  rego_status finish_as(const words &line, rego_step &step) {
    rego_outcome outcome = REGO_OUTCOME_INIT;
    outcome.kind = small(line, 3);
    outcome.failure = small(line, 4);
    outcome.backoff = number(line, 5);
    outcome.result = result_at(line[1]);
    return rego_attempt_finish_as(engine_.raw(), attempt_at(line[1]), number(line, 2), &outcome, &step);
  }

  /// "C.N", or a call alone.
  rego::call &call_at(const std::string &word) { return calls_.at(index(word)).it; }
  rego_attempt attempt_at(const std::string &word) {
    const std::size_t dot = word.find('.');
    if (dot == std::string::npos) return 0;
    return calls_.at(index(word)).attempts[std::strtoull(word.c_str() + dot + 1, nullptr, 10)];
  }
  static std::size_t index(const std::string &word) {
    return static_cast<std::size_t>(std::strtoull(word.c_str(), nullptr, 10));
  }
  static std::uint64_t result_at(const std::string &word) {
    return std::strtoull(word.c_str() + word.find('.') + 1, nullptr, 10) + 1;
  }

  static words refusal(rego_status status) { return {"! " + std::to_string(static_cast<int>(status))}; }

  words answer(rego_status status, const rego_step &step) {
    if (status != REGO_STATUS_OK) return refusal(status);
    words lines = {"= " + std::to_string(step.flags) + " " + text(step.wake_at)};
    for (std::uint32_t i = 0; i < step.n_actions; i++) lines.push_back(told(step.actions[i]));
    return lines;
  }

  std::string told(const rego_action &action) {
    const auto of = std::find_if(calls_.begin(), calls_.end(),
                                 [&](const call &one) { return one.it.raw() == action.call; });
    if (of == calls_.end()) return "+ an action of no call";
    std::ostringstream line;
    const auto place = of - calls_.begin();
    switch (action.kind) {
      case REGO_ACTION_START:
        of->attempts[action.number] = action.attempt;
        line << "+ start " << place << '.' << action.number << ' ' << action.reason << ' ' << action.retry_index << ' '
             << action.hedge_index << ' ' << text(action.deadline);
        break;
      case REGO_ACTION_CANCEL:
        line << "+ cancel " << name(place, *of, action.attempt) << ' ' << action.reason;
        break;
      default:
        line << "+ done " << place << ' ' << action.reason << ' ' << name(place, *of, action.attempt) << ' '
             << action.number << ' ' << action.result << ' ' << action.retry_after;
        break;
    }
    return line.str();
  }

  static std::string name(std::ptrdiff_t at, const call &of, rego_attempt attempt) {
    for (const auto &[number, raw] : of.attempts) {
      if (raw == attempt && attempt != 0) return std::to_string(at) + "." + std::to_string(number);
    }
    return "-";
  }

  rego::engine engine_;
  std::vector<call> calls_;
};

std::string contents(const std::filesystem::path &path) {
  std::ifstream file(path);
  std::ostringstream all;
  all << file.rdbuf();
  return all.str();
}

/// How many answers differ from what is recorded; with `wrong`, as a control, from that.
int check(const std::filesystem::path &path, const char *wrong) {
  const std::string policies = contents(path.parent_path() / "policies.toml");
  std::istringstream trace(contents(path));
  std::optional<front> front;
  words heard;
  int differ = 0, at = 0;
  const auto complain = [&](const std::string &what) {
    differ++;
    if (wrong == nullptr) std::fprintf(stderr, "%s:%d: %s\n", path.string().c_str(), at, what.c_str());
  };
  for (std::string line; std::getline(trace, line);) {
    at++;
    if (line.empty() || line[0] == '#') continue;
    if (line.find_first_of("=!+") == 0) {
      const std::string said = heard.empty() ? "nothing more" : heard.front();
      if (!heard.empty()) heard.erase(heard.begin());
      if (said != (wrong != nullptr ? wrong : line)) complain("`" + said + "`, and not `" + line + "`");
      continue;
    }
    if (!heard.empty()) complain("too many answers before it: " + heard.front());
    std::istringstream split(line);
    words event;
    for (std::string word; split >> word;) event.push_back(word);
    heard.clear();
    if (event[0] == "seed") {
      front.reset();
      if (auto made = front::make(policies, number(event, 1))) front.emplace(std::move(*made));
      if (!front) complain("no engine");
      continue;
    }
    auto told = front ? front->tell(event) : std::nullopt;
    if (!told) {
      complain("`" + line + "` is not understood");
      break;
    }
    heard = std::move(*told);
  }
  return differ + static_cast<int>(heard.size());
}

}  // namespace

int main(int argc, char **argv) {
  const std::filesystem::path folder = argc > 1 ? argv[1] : "ffi/tests/traces";
  std::error_code none;
  // What the environment says of policies is no part of a trace.
  unsetenv("REGO_MODE");
  int files = 0, differ = 0;
  for (const auto &entry : std::filesystem::directory_iterator(folder, none)) {
    if (entry.path().extension() != ".trace") continue;
    files++;
    differ += check(entry.path(), nullptr);
    if (check(entry.path(), "= 9 9") == 0) {
      std::fprintf(stderr, "traces.cpp: %s has no answers, or none is compared\n", entry.path().string().c_str());
      differ++;
    }
  }
  if (files == 0) std::fprintf(stderr, "traces.cpp: there are no traces in %s\n", folder.string().c_str());
  return files > 0 && differ == 0 ? 0 : 1;
}
