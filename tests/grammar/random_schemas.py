"""Random JSON Schemas of the kinds that the server promises to enforce, small enough that answers end."""
import json


class RandomSchemas:
    def __init__(self, random, recursive=True):
        self.random = random
        self.recursive = recursive

    def schema(self):
        """A whole document, now and then recursive by $ref."""
        if self.recursive and self.random.random() < 0.15:
            node = {"type": "object", "properties": {"value": self.value(1), "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]}},
                    "required": ["value", "next"], "additionalProperties": False}
            return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": {"node": node}, "$ref": "#/$defs/node"}
        if self.recursive and self.random.random() < 0.1:
            leaf = {"type": "object", "properties": {"op": {"const": "leaf"}, "value": self.value(3)}, "required": ["op", "value"]}
            pair = {"type": "object", "properties": {"op": {"const": "pair"}, "left": {"$ref": "#/$defs/tree"}, "right": {"$ref": "#/$defs/tree"}},
                    "required": ["left", "right", "op"]}
            return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": {"tree": {"oneOf": [leaf, {"type": "null"}, pair]}},
                    "type": "object", "properties": {"tree": {"$ref": "#/$defs/tree"}}, "required": ["tree"]}
        return self.value(0)

    def value(self, depth):
        kinds = [self.string, self.integer, self.number, self.boolean, self.enum, self.const, self.formatted, self.patterned]
        if depth < 3:
            kinds += [self.object, self.object, self.array, self.tuple, self.any_of, self.one_of, self.one_of_types, self.one_of_members, self.one_of_kinds, self.all_of, self.types, self.map]
        return self.random.choice(kinds)(depth)

    def string(self, depth):
        schema = {"type": "string"}
        least = self.random.choice([None, 0, 1, 3])
        most = self.random.choice([None, 3, 8, 20])
        if least is not None:
            schema["minLength"] = least
        schema["maxLength"] = most if most is not None else 40
        return schema

    def integer(self, depth):
        schema = {"type": "integer"}
        low = self.random.choice([None, -5000, -17, -1, 0, 1, 7, 99, 1000])
        if low is not None:
            schema[self.random.choice(["minimum", "exclusiveMinimum"])] = low
        if self.random.random() < 0.6:
            schema[self.random.choice(["maximum", "exclusiveMaximum"])] = (low or 0) + self.random.choice([2, 9, 10, 123, 4567])
        if self.random.random() < 0.2:
            return {"type": "integer", "multipleOf": self.random.choice([2, 3, 5, 7, 12, 25, 100])}
        return schema

    def number(self, depth):
        schema = {"type": "number"}
        low = self.random.choice([None, -10.5, -1, 0, 0.125, 0.5, 3, 99.99])
        if low is not None:
            schema[self.random.choice(["minimum", "exclusiveMinimum"])] = low
        if self.random.random() < 0.6:
            schema[self.random.choice(["maximum", "exclusiveMaximum"])] = (low or 0) + self.random.choice([0.25, 1, 1.5, 10, 250.75])
        return schema

    def boolean(self, depth):
        return {"type": "boolean"}

    def enum(self, depth):
        values = ["red", "gr\u00fcn", "a\"b", "tab\there", 1, 2.5, -7, None, True, [1, 2], {"a": 1}]
        return {"enum": self.random.sample(values, self.random.randint(1, 4))}

    def const(self, depth):
        return {"const": self.random.choice(["fixed", 42, None, False, ["x"], {"k": "v"}])}

    def formatted(self, depth):
        return {"type": "string", "format": self.random.choice(["date", "time", "date-time", "uuid", "email", "ipv4", "ipv6", "hostname", "duration"])}

    def patterned(self, depth):
        return {"type": "string", "pattern": self.random.choice([
            r"^[A-Z]{2,3}-\d{1,4}$", r"^(foo|bar)+$", r"^[^\s,]{1,10}$", r"^\w+@\w+\.(com|org)$", r"^\"quoted\"$", r"^a?b*c{2}$",
            r"^[\u00e0-\u00ff]{1,5}$", r"^\\d\.$", r"x[0-9]y", r"^(?:[01]\d|2[0-3]):[0-5]\d$"])}

    def object(self, depth):
        names = self.random.sample(["name", "age", "tags", "a b", "\u00e4", "x\"y", "id", "na", "names"], self.random.randint(1, 5))
        schema = {"type": "object", "properties": {name: self.value(depth + 1) for name in names}}
        schema["required"] = [name for name in names if self.random.random() < 0.5]
        extra = self.random.random()
        if extra < 0.4:
            schema["additionalProperties"] = False
        elif extra < 0.6:
            schema["additionalProperties"] = self.value(3)
        return schema

    def map(self, depth):
        schema = {"type": "object", "additionalProperties": self.value(3)}
        if self.random.random() < 0.3:
            schema = {"type": "object", "patternProperties": {"^[a-z]{1,6}$": self.value(3)}, "additionalProperties": False}
        if self.random.random() < 0.4:
            schema["minProperties"] = 1
        if self.random.random() < 0.6:
            schema["maxProperties"] = 3
        return schema

    def array(self, depth):
        schema = {"type": "array", "items": self.value(depth + 1)}
        least = self.random.choice([0, 0, 1, 2])
        if least:
            schema["minItems"] = least
        schema["maxItems"] = least + self.random.randint(0, 2)
        return schema

    def tuple(self, depth):
        first = [self.value(depth + 1) for _ in range(self.random.randint(1, 3))]
        draft7 = self.random.random() < 0.4
        schema = {"type": "array", "items" if draft7 else "prefixItems": first}
        rest = self.random.choice([None, False, self.value(3)])
        if rest is not None:
            schema["additionalItems" if draft7 else "items"] = rest
        if draft7:
            schema["$schema"] = "http://json-schema.org/draft-07/schema#"
        if self.random.random() < 0.4:
            schema["minItems"] = self.random.randint(0, len(first))
        schema["maxItems"] = len(first) + 2
        return schema

    def any_of(self, depth):
        return {"anyOf": [self.value(depth + 1) for _ in range(self.random.randint(1, 3))]}

    def one_of(self, depth):
        """Branches that exclude each other by a constant."""
        branches = []
        for kind in self.random.sample(["cat", "dog", "fish"], self.random.randint(1, 3)):
            branches.append({"type": "object", "properties": {"kind": {"const": kind}, "data": self.value(depth + 1)}, "required": ["kind", "data"]})
        return {"oneOf": branches}

    def one_of_types(self, depth):
        """Alternatives of several types, some of which overlap in a type or a value."""
        listed = lambda *values: {"enum": self.random.sample(values, self.random.randint(1, len(values)))}
        kinds = [self.string(depth), self.boolean(depth), {"type": "null"}, {"type": ["null", "boolean"]}, listed(1, 2, "x"), listed(2.0, True, "y"),
                 {"type": "array", "items": {"type": "integer"}, "maxItems": 2}, {"type": "array", "items": {"type": "string", "maxLength": 5}, "maxItems": 2},
                 {"type": "integer", "maximum": 10, "minimum": -3}, {"type": "number", "exclusiveMinimum": 10, "maximum": 99}]
        return {"oneOf": self.random.sample(kinds, self.random.randint(2, 4))}

    def one_of_members(self, depth):
        """Alternatives by which of the members are there."""
        names = ["p", "q", "r"]
        schema = {"type": "object", "properties": {name: self.value(depth + 1) for name in names}}
        if self.random.random() < 0.3:
            schema["additionalProperties"] = self.random.choice([False, {"type": "integer"}])
        if self.random.random() < 0.3:
            schema["patternProperties"] = {"^x[a-z]{0,3}$": {"type": "boolean"}}
        schema["oneOf"] = [{"required": [name]} for name in self.random.sample(names, self.random.randint(2, 3))]
        return schema

    def one_of_kinds(self, depth):
        """By a member that is a constant here and a list there, not always required; within an allOf now and then."""
        kinds = [{"const": "a"}, {"enum": ["a", "b"]}, {"const": "c"}, {"enum": [1, None]}]
        branches = []
        for kind in self.random.sample(kinds, self.random.randint(2, 3)):
            branches.append({"type": "object", "properties": {"kind": kind, "more": self.value(depth + 2)},
                             "required": self.random.choice([["kind"], ["more", "kind"], []])})
        if self.random.random() < 0.3:
            return {"allOf": [{"oneOf": branches}, {"type": "object", "properties": {"id": {"type": "boolean"}}, "required": ["id"]}]}
        return {"oneOf": branches}

    def all_of(self, depth):
        first = {"type": "object", "properties": {"p": self.value(depth + 1)}, "required": ["p"]}
        second = {"type": "object", "properties": {"q": self.value(depth + 1)}, "required": self.random.choice([[], ["q"]])}
        return {"allOf": [first, second]}

    def types(self, depth):
        types = self.random.sample(["string", "integer", "boolean", "null"], self.random.randint(1, 3))
        schema = {"type": types}
        if "string" in types:
            schema["maxLength"] = 12
        return schema


def has_draft7(schema):
    return "draft-07" in json.dumps(schema)
