// Counts matches of a list of patterns in files with RE2, which Cordon's
// scanner is compared with. bench.Scan compiles and runs it:
//
//	scan PATTERNS FILE...
//
// It prints the matches and the seconds of processor time that finding them
// took, reading and compiling left out.
#include <ctime>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include <re2/re2.h>

static std::string slurp(const char* name) {
  std::ifstream in(name, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: scan PATTERNS FILE...\n";
    return 2;
  }
  std::istringstream list(slurp(argv[1]));
  std::string all, line;
  while (std::getline(list, line)) {
    if (!line.empty()) all += (all.empty() ? "" : "|") + line;
  }
  RE2::Options options;
  options.set_max_mem(256 << 20);
  RE2 re(all, options);
  if (!re.ok()) {
    std::cerr << re.error() << "\n";
    return 1;
  }
  long matches = 0;
  double took = 0;
  for (int i = 2; i < argc; i++) {
    std::string text = slurp(argv[i]);
    re2::StringPiece whole(text), hit;
    std::clock_t begun = std::clock();
    size_t at = 0;
    while (at < text.size() && re.Match(whole, at, text.size(), RE2::UNANCHORED, &hit, 1)) {
      matches++;
      at = (hit.data() - text.data()) + (hit.empty() ? 1 : hit.size());
    }
    took += double(std::clock() - begun) / CLOCKS_PER_SEC;
  }
  std::cout << matches << " " << took << "\n";
}
