#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gotemplate/value.h"

namespace weft::gotemplate {

struct Function;
struct Pipe;
struct Node;

using Nodes = std::vector<Node>;

// One word of a command.
struct Operand {
    enum class Kind : std::uint8_t {
        constant,  // literal, true, false, nil
        dot,       // . or .A.B, whose names are in `fields`
        variable,  // $, $x, $x.A
        function,  // without arguments, or the head of a command with some
        pipe,      // ( ... ) or ( ... ).A
    };
    Kind kind = Kind::constant;
    Value constant{};
    std::string name{};                 // of the variable
    std::vector<std::string> fields{};
    const Function* function = nullptr;
    std::shared_ptr<const Pipe> pipe{};
};

struct Command {
    std::vector<Operand> operands;  // at least one
};

struct Pipe {
    std::vector<std::string> variables;  // declared or assigned, at most two (range)
    bool assigns = false;                // = rather than :=
    std::vector<Command> commands;       // at least one
    std::uint32_t line = 1;
};

struct Node {
    enum class Kind : std::uint8_t { text, action, if_, with, range, break_, continue_, call };
    Kind kind = Kind::text;
    std::string text{};                  // text; name of the template that is called
    std::shared_ptr<const Pipe> pipe{};  // absent: text, break, continue, a call without an argument
    Nodes body{};
    Nodes otherwise{};                   // after else
    std::size_t offset = 0;              // in the source
    std::uint32_t line = 1;
};

// Names to what {{define}} said; "" is the template itself.
struct Syntax {
    std::map<std::string, Nodes, std::less<>> templates;
    std::vector<std::string> names;  // of all fields and variables, sorted
};

}  // namespace weft::gotemplate
