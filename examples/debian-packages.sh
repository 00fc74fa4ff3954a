#!/bin/sh
# Turns the package lists that apt knows into JSON Lines for `kvctl import`: one line a package,
# key Package/Version/Architecture, value the package's stanza as apt prints it, without the empty
# line after it. Encoded exactly as `kvctl export` encodes.
#
#   examples/debian-packages.sh > packages.jsonl        from `apt-cache dumpavail`
#   examples/debian-packages.sh FILE > packages.jsonl   from a file of such stanzas
#
# Where a key appears twice the last stanza counts; how many were left out is said on stderr.
# Needs only what every Debian has: sh, perl-base and apt.
set -eu

if [ $# -gt 1 ]; then
  echo "usage: $0 [FILE]" >&2
  exit 2
fi

convert() {
  perl -e '
use strict;
use warnings;
# perl-base has no JSON and no MIME module; both encodings are short.
binmode STDIN;
binmode STDOUT;
my %short = ("\"" => "\\\"", "\\" => "\\\\", "\n" => "\\n", "\t" => "\\t",
             "\b" => "\\b", "\f" => "\\f", "\r" => "\\r");

sub base64 {
  my $text = pack("u", $_[0]);          # uuencode: the same bits, other digits, with line lengths
  $text =~ s/^.//mg;
  $text =~ tr/` -_\n/AA-Za-z0-9+\//d;
  substr($text, -1) = "=" if length($_[0]) % 3 == 2;
  substr($text, -2) = "==" if length($_[0]) % 3 == 1;
  return $text;
}

sub field {
  my ($name, $bytes) = @_;
  my $copy = $bytes;
  # Strict UTF-8, as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
  my $utf8 = $bytes =~ /^(?:[\x00-\x7f]++|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]
      |[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}
      |[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})*+\z/x;
  return "\"${name}_base64\":\"" . base64($bytes) . "\"" unless $utf8;
  $copy =~ s/([\x00-\x1f"\\])/$short{$1} || sprintf("\\u%04x", ord($1))/ge;
  return "\"$name\":\"$copy\"";
}

my (%line, @order);
my ($twice, $skipped) = (0, 0);
$/ = "";                                # a stanza at a time
while (my $stanza = <STDIN>) {
  $stanza =~ s/\n+\z/\n/;
  my ($package) = $stanza =~ /^Package: *(.*?) *$/m;
  my ($version) = $stanza =~ /^Version: *(.*?) *$/m;
  my ($architecture) = $stanza =~ /^Architecture: *(.*?) *$/m;
  unless (defined $package && defined $version && defined $architecture) {
    $skipped++;
    next;
  }
  my $key = "$package/$version/$architecture";
  if (exists $line{$key}) { $twice++ } else { push @order, $key }
  $line{$key} = "{" . field("key", $key) . "," . field("value", $stanza) . "}\n";
}
print $line{$_} for @order;
close(STDOUT) or die "cannot write: $!\n";
print STDERR "$twice stanzas were left out: a later one has the same key\n" if $twice;
print STDERR "$skipped stanzas were left out: no Package, Version or Architecture\n" if $skipped;
'
}

if [ $# -eq 1 ]; then
  convert < "$1"
else
  apt-cache dumpavail | convert
fi
