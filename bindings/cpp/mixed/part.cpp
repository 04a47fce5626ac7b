// One part of a program whose parts are compiled in every dialect: PART is its name.
#include <rego.hpp>

#include <functional>

int PART();

int PART() {
  auto engine = rego::engine::make();
  const auto get = engine->key("svc.Get");
  rego::options how;
  how.deadline = rego::now() + 1000000000;
  const std::function<int(const rego::attempt &)> op = [](const rego::attempt &) { return 42; };
  auto outcome = engine->run(*get, op, how);
  auto loop = engine->loop(std::function<void()>([] {}));
  return outcome->value() == 42 && loop->begin(*get, 1, how) && !engine->key("") ? 0 : 1;
}
