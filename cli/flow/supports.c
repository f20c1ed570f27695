// --bounded, --circular and --categorical: the values that columns may have.

#include "cli/flow/supports.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/matrix_rows.h"
#include "base/number.h"

enum { ITEM_SIZE = 256 };

static const double pi = 3.14159265358979323846;

/// An option that gives columns a support.
typedef struct {
    const char *name, *form;
    mr_support_type type;
    bool needs_bounds;
} option;

static const option bounded = {"--bounded", "COLUMN:LOW:HIGH", MR_SUPPORT_BOUNDED, true};
static const option circular = {"--circular", "COLUMN or COLUMN:LOW:HIGH", MR_SUPPORT_CIRCLE,
                                false};

static const option categorical = {"--categorical", "COLUMN or COLUMN:LOW:HIGH",
                                   MR_SUPPORT_CATEGORY, false};

static mr_status fail_item(const option *o, const char *item) {
    return mr_fail(MR_ERR_USAGE, "%s: '%s' is not %s with LOW below HIGH, as in %s", o->name, item,
                   o->form,
                   o->needs_bounds ? "1:0:1, or 2:0:inf for a column above 0" : "3:-180:180");
}

// "0", "-inf".
static bool read_bound(const char *text, double *out) {
    char *end;
    *out = mr_number_read(text, &end);
    return end != text && *end == '\0' && !isnan(*out);
}

// Cuts ":LOW:HIGH" off the end of an item. False if there is none, and `item` is as before.
static bool cut_bounds(char *item, double *low, double *high) {
    char *last = strrchr(item, ':');
    if (last == NULL || !read_bound(last + 1, high))
        return false;
    *last = '\0';
    char *first = strrchr(item, ':');
    if (first != NULL && read_bound(first + 1, low)) {
        *first = '\0';
        return true;
    }
    *last = ':';
    return false;
}

// The period of an angle whose bounds are not given: [0, 2 pi] for data that lies there, else
// [-pi, pi].
static mr_status find_period(const mr_matrix *file, size_t column, mr_support *support) {
    mr_status status;
    mr_row_block b = {0};
    bool is_positive = true;
    do {
        MR_TRY(mr_matrix_next_rows(file, &b));
        for (size_t i = 0; i < b.n; i++)
            is_positive = is_positive && b.x[i * file->n_cols + column] >= 0;
    } while (b.n > 0 && is_positive);
    support->low = is_positive ? 0 : -pi;
    support->high = is_positive ? 2 * pi : pi;
done:
    mr_row_block_free(&b);
    return status;
}

// The categories of a column whose numbers are not given: from its smallest value to its largest.
static mr_status find_categories(const char *item, const mr_matrix *file, size_t column,
                                 mr_support *support) {
    mr_status status;
    mr_row_block b = {0};
    support->low = INFINITY;
    support->high = -INFINITY;
    do {
        MR_TRY(mr_matrix_next_rows(file, &b));
        for (size_t i = 0; i < b.n; i++) {
            const double x = b.x[i * file->n_cols + column];
            support->low = fmin(support->low, x);
            support->high = fmax(support->high, x);
            if (x != floor(x)) {
                status = mr_fail(MR_ERR_INPUT,
                                 "--categorical: '%s': row %zu is %g; a category is a whole number",
                                 item, b.first + i + 1, x);
                goto done;
            }
        }
    } while (b.n > 0);
    if (!(support->high - support->low < MR_MAX_CATEGORIES))
        status = mr_fail(MR_ERR_INPUT,
                         "--categorical: '%s': its values go from %g to %g; categories are numbers "
                         "at most %d apart: number them anew",
                         item, support->low, support->high, MR_MAX_CATEGORIES - 1);
done:
    mr_row_block_free(&b);
    return status;
}

static mr_status find_values(const option *o, const char *item, const mr_matrix *file,
                             size_t column, mr_support *support) {
    return o->type == MR_SUPPORT_CATEGORY ? find_categories(item, file, column, support)
                                          : find_period(file, column, support);
}

static mr_status set_support(const option *o, const char *item, size_t column, double low,
                             double high, const mr_used_columns *columns, mr_support *support) {
    const mr_dictionary *d = columns->file->dictionary;
    for (size_t j = 0; j < columns->n; j++) {
        if (columns->column[j] != column)
            continue;
        if (d != NULL && d[column].n > 0) // it has its support already
            return o->type == MR_SUPPORT_CATEGORY && isnan(low)
                       ? MR_OK
                       : mr_fail(MR_ERR_USAGE,
                                 "%s: '%s': the column holds text, whose categories have no order "
                                 "and no bounds; give --categorical %zu, or nothing",
                                 o->name, item, column + !columns->file->from_zero);
        if (support[j].type != MR_SUPPORT_LINE)
            return mr_fail(MR_ERR_USAGE, "%s: '%s': the column has bounds already", o->name, item);
        support[j] = (mr_support){o->type, low, high};
        return isnan(low) ? find_values(o, item, columns->file, column, &support[j]) : MR_OK;
    }
    return mr_fail(MR_ERR_USAGE, "%s: '%s': the column is neither fitted nor given", o->name, item);
}

/// What is done with the columns that an item of an option names.
typedef struct {
    const option *option;
    const mr_matrix *file;
    const mr_used_columns *columns; // NULL: `is_named` is set
    mr_support *support;
    bool *is_named;
} reader;

static mr_status take_column(const reader *r, const char *item, size_t column, double low,
                             double high) {
    if (r->columns != NULL)
        return set_support(r->option, item, column, low, high, r->columns, r->support);
    r->is_named[column] |= isnan(low);
    return MR_OK;
}

static mr_status read_item(const reader *r, const char *item) {
    char column[ITEM_SIZE];
    double low = NAN, high = NAN;
    mr_status status;
    const option *o = r->option;
    if (strlen(item) >= sizeof column)
        return fail_item(o, item);
    memcpy(column, item, strlen(item) + 1);
    const bool has_bounds = cut_bounds(column, &low, &high);
    if (has_bounds && !(low < high))
        return fail_item(o, item);
    if (!has_bounds && (o->needs_bounds || strchr(item, ':') != NULL))
        return fail_item(o, item);
    if (has_bounds && !isfinite(high - low) &&
        (o->type != MR_SUPPORT_BOUNDED || low + high != low + high))
        return fail_item(o, item);
    bool *chosen = calloc(r->file->n_cols, sizeof *chosen);
    if (chosen == NULL)
        return mr_fail_memory("the columns");
    status = mr_matrix_choose_columns(r->file, column, o->name, chosen);
    for (size_t j = 0; j < r->file->n_cols && status == MR_OK; j++)
        if (chosen[j])
            status = take_column(r, item, j, low, high);
    free(chosen);
    return status;
}

static mr_status read_items(const reader *r, const char *list) {
    mr_status status = MR_OK;
    char *copy = strdup(list), *rest = copy;
    if (copy == NULL)
        return mr_fail_memory("the columns");
    while (rest != NULL && list[0] != '\0' && status == MR_OK)
        status = read_item(r, strsep(&rest, ","));
    free(copy);
    return status;
}

mr_status mr_supports_find_categorical(const char *text, const mr_matrix *file, bool *is_named) {
    return read_items(&(reader){.option = &categorical, .file = file, .is_named = is_named}, text);
}

static mr_status read_option(const option *o, const char *list, const mr_used_columns *columns,
                             mr_support *support) {
    return read_items(&(reader){o, columns->file, columns, support, NULL}, list);
}

mr_status mr_supports_read(const char *bounded_text, const char *circular_text,
                           const char *categorical_text, const mr_used_columns *columns,
                           mr_support *support) {
    mr_status status;
    const mr_dictionary *d = columns->file->dictionary;
    for (size_t j = 0; d != NULL && j < columns->n; j++)
        if (d[columns->column[j]].n > 0)
            support[j] = (mr_support){MR_SUPPORT_CATEGORY, 0, (double)d[columns->column[j]].n - 1};
    MR_TRY(read_option(&bounded, bounded_text, columns, support));
    MR_TRY(read_option(&circular, circular_text, columns, support));
    MR_TRY(read_option(&categorical, categorical_text, columns, support));
done:
    return status;
}
