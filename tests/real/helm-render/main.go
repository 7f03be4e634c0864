// helm-render: renders a chart as `helm template` does, for tests where there is no Helm (Debian has none).
//
//	helm-render [-f VALUES.yaml]... [-n NAMESPACE] [-api VERSION]... NAME CHART
//
// It is Go's text/template with sprig, which is what Helm is made of, and the functions that Helm adds (include, tpl, required,
// toYaml, fromYaml), with the same objects (.Values, .Release, .Chart, .Files, .Capabilities, .Template). What it has not:
// subcharts, crds/, hooks' order, lookup, --set, and the values' schema (the test holds values.yaml to it by other means).
// Built with Debian's packages: golang-github-masterminds-sprig-dev, golang-k8s-sigs-yaml-dev.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

type values = map[string]interface{}

type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// apiVersions is .Capabilities.APIVersions: what the cluster is said to serve.
type apiVersions list

func (a apiVersions) Has(v string) bool {
	for _, known := range a {
		if known == v {
			return true
		}
	}
	return false
}

// files is .Files: what lies in the chart beside its templates.
type files map[string]string

func (f files) Get(name string) string { return f[name] }

func (f files) Glob(pattern string) files {
	found := files{}
	for name, text := range f {
		if ok, err := path.Match(pattern, name); err == nil && ok {
			found[name] = text
		}
	}
	return found
}

// merge puts b over a, map by map; null takes a default away.
func merge(a, b values) values {
	for key, v := range b {
		below, isMap := v.(values)
		under, wasMap := a[key].(values)
		switch {
		case v == nil:
			delete(a, key)
		case isMap && wasMap:
			a[key] = merge(under, below)
		default:
			a[key] = v
		}
	}
	return a
}

func readYAML(file string) (values, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	doc := values{}
	return doc, yaml.UnmarshalStrict(text, &doc)
}

// readTree reads the files of a chart, symbolic links followed, as Helm does.
func readTree(dir string) (files, error) {
	tree := files{}
	err := filepath.Walk(dir, func(file string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(file)
		name, _ := filepath.Rel(dir, file)
		tree[filepath.ToSlash(name)] = string(text)
		return err
	})
	return tree, err
}

func toYAML(v interface{}) string {
	text, err := yaml.Marshal(v)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(text), "\n")
}

func fromYAML(text string) values {
	doc := values{}
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		doc["Error"] = err.Error()
	}
	return doc
}

func required(message string, v interface{}) (interface{}, error) {
	if s, isText := v.(string); v == nil || isText && s == "" {
		return v, errors.New(message)
	}
	return v, nil
}

func execute(t *template.Template, name string, data interface{}) (string, error) {
	var out strings.Builder
	err := t.ExecuteTemplate(&out, name, data)
	return strings.ReplaceAll(out.String(), "<no value>", ""), err
}

func functions(root *template.Template) template.FuncMap {
	f := sprig.TxtFuncMap()
	delete(f, "env")
	delete(f, "expandenv")
	f["toYaml"], f["fromYaml"], f["required"] = toYAML, fromYAML, required
	f["include"] = func(name string, data interface{}) (string, error) { return execute(root, name, data) }
	f["tpl"] = func(text string, data interface{}) (string, error) {
		t, err := root.Clone()
		if err == nil {
			t, err = t.New("tpl").Parse(text)
		}
		if err != nil {
			return "", err
		}
		return execute(t, "tpl", data)
	}
	return f
}

func render(chartDir, release, namespace string, valueFiles, apis list) (map[string]string, error) {
	tree, err := readTree(chartDir)
	if err != nil {
		return nil, err
	}
	chart, err := readYAML(filepath.Join(chartDir, "Chart.yaml"))
	if err != nil {
		return nil, err
	}
	vals, err := readYAML(filepath.Join(chartDir, "values.yaml"))
	if err != nil {
		return nil, err
	}
	for _, file := range valueFiles {
		more, err := readYAML(file)
		if err != nil {
			return nil, err
		}
		vals = merge(vals, more)
	}
	root := template.New("chart").Option("missingkey=zero")
	root.Funcs(functions(root))
	name, upper := chart["name"].(string), values{}
	for key, v := range chart { // .Chart.AppVersion is appVersion in the file
		upper[strings.ToUpper(key[:1])+key[1:]] = v
	}
	beside, templates := files{}, []string{}
	for file, text := range tree {
		if !strings.HasPrefix(file, "templates/") {
			beside[file] = text
			continue
		}
		if _, err := root.New(path.Join(name, file)).Parse(text); err != nil {
			return nil, err
		}
		templates = append(templates, file)
	}
	rendered := map[string]string{}
	for _, file := range templates {
		if strings.HasPrefix(path.Base(file), "_") {
			continue
		}
		full := path.Join(name, file)
		text, err := execute(root, full, values{
			"Values": vals, "Chart": upper, "Files": beside,
			"Release":      values{"Name": release, "Namespace": namespace, "Service": "Helm", "IsInstall": true, "Revision": 1},
			"Capabilities": values{"APIVersions": apiVersions(apis)},
			"Template":     values{"Name": full, "BasePath": path.Join(name, "templates")},
		})
		if err != nil {
			return nil, err
		}
		rendered[file] = text
	}
	return rendered, nil
}

func main() {
	var valueFiles, apis list
	flag.Var(&valueFiles, "f", "values over the chart's own; several")
	flag.Var(&apis, "api", "an API version that the cluster serves; several")
	namespace := flag.String("n", "default", "namespace of the release")
	notes := flag.Bool("notes", false, "print NOTES.txt, and nothing else")
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	rendered, err := render(flag.Arg(1), flag.Arg(0), *namespace, valueFiles, apis)
	if err != nil {
		fmt.Fprintln(os.Stderr, "helm-render:", err)
		os.Exit(1)
	}
	names := []string{}
	for name := range rendered {
		if (path.Ext(name) == ".txt") == *notes {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Printf("---\n# Source: %s\n%s\n", name, rendered[name])
	}
}
