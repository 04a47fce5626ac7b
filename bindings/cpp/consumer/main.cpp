#include <rego.hpp>

#include <stdexcept>

int main() {
  rego::engine engine = rego::engine::make().value();
  const rego::key get = engine.key("svc.Get").value();
  auto outcome = engine.run(get, [](const rego::attempt &) { return 42; });
  if (outcome->value() != 42) return 1;
  auto thrown = engine.run(get, [](const rego::attempt &) -> int { throw std::out_of_range("gone"); });
  try {
    return thrown->value();
  } catch (const std::out_of_range &) {
    return 0;
  }
}
