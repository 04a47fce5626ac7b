// Parts that were compiled in other dialects, in one program: each has a rego.hpp of its own.
int part_0();
int part_1();
int part_2();
int part_3();

int main() { return part_0() + part_1() + part_2() + part_3(); }
