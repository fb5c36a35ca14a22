# mkIf, mkMerge, mkOverride and mkOrder: marks on values, and how they are taken off.
let
  inherit (builtins)
    concatMap
    filter
    foldl'
    isAttrs
    mapAttrs
    sort
    ;
  mark = value: if isAttrs value then value._type or null else null;

  lowest = 9999;
  usual = {
    priority = 100;
    order = 1000;
  };

  # A definition { file, value } without its marks: as many as there are, each with
  # priority and order. The mark that is further in counts.
  unmark =
    definition:
    let
      at = definition // {
        priority = definition.priority or usual.priority;
        order = definition.order or usual.order;
      };
      inherit (at) value;
      inside = content: unmark (at // { value = content; });
    in
    {
      merge = concatMap inside value.contents;
      "if" = if value.condition then inside value.content else [ ];
      override = unmark (
        at
        // {
          value = value.content;
          inherit (value) priority;
        }
      );
      order = unmark (
        at
        // {
          value = value.content;
          inherit (value) order;
        }
      );
    }
    .${toString (mark value)} or [ at ];
in
{
  is = kind: value: mark value == kind;

  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkOrder = order: content: {
    _type = "order";
    inherit order content;
  };

  # Those definitions that count, in their order.
  strongest =
    definitions:
    let
      all = concatMap unmark definitions;
      best = foldl' (
        found: definition: if definition.priority < found then definition.priority else found
      ) lowest all;
    in
    sort (a: b: a.order < b.order) (filter (definition: definition.priority == best) all);

  # Marks on a set, put on its members: a list of plain sets. A condition is looked at
  # only when a member is, for it may depend on others.
  push =
    definition:
    let
      go =
        wrap: value:
        {
          merge = concatMap (go wrap) value.contents;
          "if" = go (
            content:
            wrap {
              _type = "if";
              inherit (value) condition;
              inherit content;
            }
          ) value.content;
          override = go (
            content:
            wrap {
              _type = "override";
              inherit (value) priority;
              inherit content;
            }
          ) value.content;
        }
        .${toString (mark value)} or [ (mapAttrs (_: wrap) value) ];
    in
    map (value: definition // { inherit value; }) (go (value: value) definition.value);
}
