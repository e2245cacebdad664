// What is wrong comes as data: code, file, line, column, message and help of each mistake.
//
//   text with two mistakes --parse--> Error --diagnostics()--> Diagnostic, Diagnostic
//                                       |
//                                       +--what()--> all of it as text, with the lines
#include <braid/runtime/session.h>

#include <cstdio>

int main() {
  const char* text = R"(braid: 1
inputs:
  image: {shape: [N, 64], dtype: f32}
layers:
  - {name: fc1, type: Linear, from: image, out_feature: 32}
  - {name: act, type: Relu}
outputs: {y: act}
)";
  try {
    auto session = braid::Session::parse(text, "net.yaml");
    session.run({{"image", braid::Array::zeros(braid::DType::f32, {1, 64})}});
  } catch (const braid::Error& error) {
    std::printf("whose fault: %d\n", int(error.fault()));
    for (const braid::Diagnostic& d : error.diagnostics())
      std::printf("%s:%d:%d [%s] %s\n", d.mark.source ? d.mark.source->name.c_str() : "",
                  d.mark.line, d.mark.column, d.code.c_str(), d.message.c_str());
    return error.fault() == braid::Fault::model ? 0 : 1;
  }
  return 1;
}
