/* The types of the members that this program reads: what a typed server refuses to decode must not get in here either.
 */
#include "sim.h"

#include "base/text.h"

enum type { TYPE_OBJECT, TYPE_TEXT, TYPE_INT32, TYPE_TEXTS, TYPE_LIST_OF_OBJECTS, TYPE_LIST_OF_TEXTS };

static const struct {
    const char *pointer;
    enum type type;
} members[] = {
    {"/metadata", TYPE_OBJECT},
    {"/metadata/name", TYPE_TEXT},
    {"/metadata/namespace", TYPE_TEXT},
    {"/metadata/generateName", TYPE_TEXT},
    {"/metadata/uid", TYPE_TEXT},
    {"/metadata/resourceVersion", TYPE_TEXT},
    {"/metadata/labels", TYPE_TEXTS},
    {"/metadata/annotations", TYPE_TEXTS},
    {"/metadata/ownerReferences", TYPE_LIST_OF_OBJECTS},
    {"/metadata/finalizers", TYPE_LIST_OF_TEXTS},
    {"/data", TYPE_TEXTS},
    {"/stringData", TYPE_TEXTS},
    {"/binaryData", TYPE_TEXTS},
    {"/spec", TYPE_OBJECT},
    {"/spec/replicas", TYPE_INT32},
    {"/spec/minReadySeconds", TYPE_INT32},
    {"/spec/revisionHistoryLimit", TYPE_INT32},
    {"/spec/progressDeadlineSeconds", TYPE_INT32},
    {"/spec/parallelism", TYPE_INT32},
    {"/spec/completions", TYPE_INT32},
    {"/spec/backoffLimit", TYPE_INT32},
    {"/spec/selector", TYPE_OBJECT},
    {"/spec/selector/matchLabels", TYPE_TEXTS},
    {"/spec/selector/matchExpressions", TYPE_LIST_OF_OBJECTS},
    {"/spec/strategy", TYPE_OBJECT},
    {"/spec/strategy/rollingUpdate", TYPE_OBJECT},
    {"/spec/updateStrategy", TYPE_OBJECT},
    {"/spec/updateStrategy/rollingUpdate", TYPE_OBJECT},
    {"/spec/template", TYPE_OBJECT},
    {"/spec/template/metadata", TYPE_OBJECT},
    {"/spec/template/metadata/labels", TYPE_TEXTS},
    {"/spec/template/metadata/annotations", TYPE_TEXTS},
    {"/spec/template/spec", TYPE_OBJECT},
    {"/spec/template/spec/containers", TYPE_LIST_OF_OBJECTS},
    {"/spec/template/spec/initContainers", TYPE_LIST_OF_OBJECTS},
    {"/spec/template/spec/nodeSelector", TYPE_TEXTS},
    {"/spec/template/spec/tolerations", TYPE_LIST_OF_OBJECTS},
    {"/spec/jobTemplate", TYPE_OBJECT},
    {"/spec/jobTemplate/metadata", TYPE_OBJECT},
    {"/spec/jobTemplate/spec", TYPE_OBJECT},
    {"/spec/containers", TYPE_LIST_OF_OBJECTS},
    {"/spec/initContainers", TYPE_LIST_OF_OBJECTS},
    {"/spec/nodeSelector", TYPE_TEXTS},
    {"/spec/nodeName", TYPE_TEXT},
    {"/spec/tolerations", TYPE_LIST_OF_OBJECTS},
    {"/spec/taints", TYPE_LIST_OF_OBJECTS},
    {"/spec/ports", TYPE_LIST_OF_OBJECTS},
    {"/status", TYPE_OBJECT},
    {"/status/conditions", TYPE_LIST_OF_OBJECTS},
    {"/status/containerStatuses", TYPE_LIST_OF_OBJECTS},
};

static bool every_element(const json_t *list, json_type type)
{
    size_t i;
    json_t *element;
    json_array_foreach (list, i, element)
        if (json_typeof(element) != type)
            return false;
    return json_is_array(list);
}

static bool every_member_text(const json_t *map)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)map, key, value)
        if (!json_is_string(value))
            return false;
    return json_is_object(map);
}

static bool is_of(const json_t *value, enum type type)
{
    switch (type) {
    case TYPE_OBJECT:
        return json_is_object(value);
    case TYPE_TEXT:
        return json_is_string(value);
    case TYPE_INT32:
        return json_is_integer(value) && json_integer_value(value) >= INT32_MIN &&
               json_integer_value(value) <= INT32_MAX;
    case TYPE_TEXTS:
        return every_member_text(value);
    case TYPE_LIST_OF_OBJECTS:
        return every_element(value, JSON_OBJECT);
    case TYPE_LIST_OF_TEXTS:
        return every_element(value, JSON_STRING);
    }
    return false;
}

const char *wrong_type(const json_t *object)
{
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        const json_t *value = json_pointer(object, members[i].pointer);
        if (value && !json_is_null(value) && !is_of(value, members[i].type))
            return members[i].pointer;
    }
    return NULL;
}
