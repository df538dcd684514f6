#include <iostream>
#include <string_view>

#include "config.hpp"

int main(int argc, char** argv) {
    using namespace seqrec::sidecar;
    try {
        std::cout << (argc > 1 && std::string_view(argv[1]) == "--help" ? help_text() : effective_config());
    } catch (const ConfigError& error) {
        std::cerr << "seqrec-http: " << error.what() << "\n";
        return 2;
    }
}
