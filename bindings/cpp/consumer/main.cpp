#include <rego.hpp>

int main() {
  rego::engine engine = rego::engine::make().value();
  auto outcome = engine.run(engine.key("svc.Get").value(), [](const rego::attempt &) { return 42; });
  return outcome->value() == 42 ? 0 : 1;
}
